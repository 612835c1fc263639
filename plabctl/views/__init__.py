"""The facts of each answer as typed values: instants are floats, words are enums; `plabctl.render` shows them."""
