"""What admins and researchers script."""
