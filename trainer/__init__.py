"""The learning side of Podium: files in, a checkpoint folder out."""
