"""What is written of experiments comes back equal, from where it belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.due_rows import build_vnode_due_row
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.store import codec, experiment_codec
from tests.store.test_codec import TEXT, through_the_file


@given(experiment=st.builds(Experiment, match=st.dictionaries(TEXT, TEXT, max_size=2)))
def test_an_experiment_comes_back_equal(experiment: Experiment) -> None:
    doc = through_the_file(experiment_codec.encode_experiment(experiment))

    assert experiment_codec.decode_experiment(experiment.name, doc) == experiment


@given(vnode=st.builds(Vnode))
def test_a_member_of_an_experiment_comes_back_equal(vnode: Vnode) -> None:
    doc = through_the_file(experiment_codec.encode_vnode(vnode))

    assert experiment_codec.decode_vnode(vnode.key, doc) == vnode
    assert codec.decode_due(vnode.node, doc, vnode.experiment) == build_vnode_due_row(vnode)
    with pytest.raises(ValueError, match="is filed under"):
        experiment_codec.decode_vnode(f"{vnode.key}x", doc)
