"""The programs of one walled run: the supervisor outside and the init process inside. Standard library only, no kernel."""
