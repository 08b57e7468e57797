"""The website and its rows: what labelers, researchers and admins see and do."""
