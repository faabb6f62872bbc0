"""Last, for it is this machine's address that is limited afterwards: whoever guesses is held back in words that the original can tell, and waits by."""

from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException

from scene import Judged


class Flooding(Judged):
    def test_a_flood_of_wrong_tokens_is_told_to_slow_down(self):
        errors = []
        for _ in range(300):
            with self.assertRaises(AlibabaCloudException) as caught:
                self.data("assume_role_for_workload_identity", workload_access_token="a guess", role_session_name="s")
            errors.append(caught.exception)
            if isinstance(caught.exception, ThrottlingException):
                break
        self.assertEqual((errors[0].status_code, errors[0].code), (401, "InvalidParameter.WorkloadAccessToken"))
        last = errors[-1]
        self.assertIsInstance(last, ThrottlingException)
        self.assertEqual((last.status_code, last.code), (429, "Throttling.User"))
        self.assertTrue(0 < last.retry_after <= 60_000, last.retry_after)
        self.assertTrue(last.request_id)
