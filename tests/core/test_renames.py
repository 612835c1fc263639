from plabctl.core.model import Node
from plabctl.core.renames import find_renames


def rename(missing: list[Node], new: list[Node], **host_keys: set[str]) -> dict[str, str]:
    return {
        old: node.name for old, node in find_renames(missing, new, lambda node: host_keys.get(node.name, set())).items()
    }


def test_the_same_address_is_the_same_node() -> None:
    old, new = Node("pc1", {"ssh_host": "10.0.0.1"}), Node("rack2-7", {"ssh_host": "10.0.0.1"})

    assert rename([old], [new, Node("pc9")]) == {"pc1": "rack2-7"}


def test_a_name_that_becomes_the_address_of_another_name_is_the_same_node() -> None:
    assert rename([Node("pc1.lab")], [Node("web", {"ssh_host": "PC1.lab"})]) == {"pc1.lab": "web"}


def test_another_port_is_another_node() -> None:
    old, new = Node("a", {"ssh_host": "gw", "ssh_port": "2201"}), Node("b", {"ssh_host": "gw", "ssh_port": "2202"})

    assert rename([old], [new]) == {}


def test_an_address_that_two_nodes_have_tells_nothing() -> None:
    nodes = [Node("b", {"ssh_host": "gw"}), Node("c", {"ssh_host": "gw"})]

    assert rename([Node("a", {"ssh_host": "gw"})], nodes) == {}


def test_the_same_host_key_is_the_same_node() -> None:
    assert rename([Node("a"), Node("x")], [Node("b")], a={"k1"}, b={"k1", "k2"}, x={"k3"}) == {"a": "b"}


def test_a_short_name_becomes_a_full_one_and_the_other_way_round() -> None:
    missing = [Node("n1"), Node("n2.lab.org"), Node("n3.north.org")]
    new = [Node("N1.lab.org"), Node("n2"), Node("n3.south.org")]

    assert rename(missing, new) == {"n1": "N1.lab.org", "n2.lab.org": "n2"}


def test_a_short_name_that_two_full_ones_have_tells_nothing() -> None:
    assert rename([Node("n1")], [Node("n1.north.org"), Node("n1.south.org")]) == {}
