"""Images: what a cluster runs of a model or of a pipeline's steps, made from a commit, a lock file and a registered version.

Called by `workspace/building.py`. Nothing in it knows specs in Git, plans or the ledger: files, packages and names come in as values.

Which builder, and why: Trueup writes the image itself, as Jib does for Java, ko for Go and rules_oci for Bazel. An image is a base image's
layers, and archives of files on top of them; nothing has to *run* to make one. So it needs no Docker daemon, no root, no privileged pod and
no user namespaces (BuildKit, Buildah and Kaniko need at least one of them), works in any CI job, and runs no code of the pull request:
`uv` unpacks wheels whose hashes the lock file names, and builds nothing (`--no-build`). What has no commands has no clock and no network
in it, which is what makes the digest repeatable. What it cannot do is to run `apt-get`: system libraries belong in the base image.
"""
