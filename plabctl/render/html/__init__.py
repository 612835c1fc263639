"""The page for a browser: the one place that knows jinja2. Start with `pages`."""
