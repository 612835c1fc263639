"""The use cases. `tick` tells the whole story on one page."""
