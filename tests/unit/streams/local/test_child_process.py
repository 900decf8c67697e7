"""Ports for the processes that we start."""

from streams.local.child_process import free_ports


def test_free_ports_are_distinct_and_outside_the_range_of_outgoing_connections() -> None:
    ports = free_ports(20)

    assert len(set(ports)) == 20
    assert all(20_000 <= port < 32_000 for port in ports)


def test_no_port_is_given_twice() -> None:
    ports = [port for _ in range(400) for port in free_ports(2)]

    assert len(set(ports)) == 800
