"""What people and programs are shown: views (pure) and their renderers."""
