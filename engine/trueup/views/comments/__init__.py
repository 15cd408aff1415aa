"""What Trueup writes on forges: the plan of a pull request, the result of an apply, promotions and rollbacks, checks and statuses.

Everything here is a pure function from values to text. `plan.bodies` builds the comment, `markers.edits` says which comments to edit,
create and delete, `results.bodies` tells what an apply came to, `checks` has statuses and annotations, `proposals` the bodies of pull
requests that Trueup opens itself. Text of specs comes in through `escaping` only, where it becomes inert.
"""
