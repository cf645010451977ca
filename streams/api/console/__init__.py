"""What an operator looks at: the site, its templates, learners, dead letters and catalogs (decision 0090).

It reads. What changes something is shown as the command; with `BADGES_CONSOLE_WRITES` the console gives the
same orders by the same code (decision 0091).
"""
