"""Stacks that stand by themselves under a name: to look around in, to practise on, to run against."""
