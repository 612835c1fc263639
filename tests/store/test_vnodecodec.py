"""What is written of experiments comes back equal, from where it belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.rows import due_of_vnode
from plabctl.store import codec, vnodecodec
from tests.store.test_codec import TEXT, through_the_file


@given(experiment=st.builds(Experiment, match=st.dictionaries(TEXT, TEXT, max_size=2)))
def test_an_experiment_comes_back_equal(experiment: Experiment) -> None:
    doc = through_the_file(vnodecodec.experiment_doc(experiment))

    assert vnodecodec.experiment_of(experiment.name, doc) == experiment


@given(vnode=st.builds(Vnode))
def test_a_member_of_an_experiment_comes_back_equal(vnode: Vnode) -> None:
    doc = through_the_file(vnodecodec.vnode_doc(vnode))

    assert vnodecodec.vnode_of(vnode.key, doc) == vnode
    assert codec.due_of_vnode(doc) == due_of_vnode(vnode)
    with pytest.raises(ValueError, match="is filed under"):
        vnodecodec.vnode_of(f"{vnode.key}x", doc)
