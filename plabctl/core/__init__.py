"""The policy: pure values in, values out. No clock, file, thread, log or third-party import; `now` is an argument.

Start with `model`, then `pools.base`, `claim` and `settle`.
"""
