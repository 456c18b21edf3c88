"""Installing, removing and restoring plugins: pip in a process of its own, planned, shown, and taken back if it fails.

`request` reads what is asked for and refuses what is not safe, before pip starts; `resolution` finds it in the
catalogue; `plan` is what pip would do; `transaction` does exactly that; `lock` remembers it. Nothing here imports
torch, pydantic or a plugin; `trial` alone loads one, in a fresh process.
"""
