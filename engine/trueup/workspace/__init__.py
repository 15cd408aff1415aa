"""The façade and composition root: it opens workspaces, passes values from stage to stage, and decides nothing.

Called by the CLI and by programs that embed Trueup. Beside `cli`, only this package sees every stage.
"""
