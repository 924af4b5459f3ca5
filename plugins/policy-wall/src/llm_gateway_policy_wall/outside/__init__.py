"""What runs behind the gateway: the supervisor of one walled run. Standard library only; imports nothing of the kernel."""
