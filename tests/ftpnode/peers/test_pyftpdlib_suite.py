"""pyftpdlib's own functional tests, asked of our ftpnode."""

import pytest

from tests.ftpnode.peers.suite import their_tests_pass

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_their_functional_tests_pass_but_for_the_differences_that_we_chose(request, tmp_path):
    their_tests_pass(request.config.cache, tmp_path, "tests.ftpnode.peers.adapter")
