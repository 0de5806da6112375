"""What is counted of a computation."""

import torch

from benchmarks.lib.peak import Counted


def test_a_product_counts_its_operations_and_each_tensor_once() -> None:
    one, other = torch.zeros(2, 3), torch.zeros(3, 4)
    with Counted() as counted:
        one @ other
    assert (counted.calls, counted.operations, counted.bytes) == (1, 2 * 2 * 3 * 4, 4 * (6 + 12 + 8))


def test_an_expanded_tensor_counts_the_bytes_that_it_has() -> None:
    x = torch.zeros(1, 5)
    with Counted() as counted:
        x.expand(100, 5).exp()
    assert counted.bytes == 4 * (5 + 500)


def test_other_calls_count_one_operation_a_value_and_views_none() -> None:
    x = torch.zeros(2, 5)
    with Counted() as counted:
        x.T[1:].exp()
    assert (counted.calls, counted.operations, counted.bytes) == (1, 8, 2 * 4 * 8)
