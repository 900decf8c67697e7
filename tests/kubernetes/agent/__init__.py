"""Nodes for tests: pods run as processes of this machine. The program is node_agent.py."""
