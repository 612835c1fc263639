"""Small SSH nodes inside this process: for `plabctl demo`, and for tests that want a node without a machine.

They speak real SSH and run real commands, each in a directory of its own; they need no root and no sshd, and they
guard nothing: who may log in runs commands as the user of this process. Start with `ssh_node`.
"""
