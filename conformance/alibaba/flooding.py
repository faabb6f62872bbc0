"""Last, for it is this machine's address that is limited afterwards: whoever guesses is held back in words that the original can tell, and waits by."""

from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException

from scene import Judged, call, signing


class Flooding(Judged):
    def test_a_flood_of_wrong_keys_is_told_to_slow_down(self):
        guessing = signing("ak_" + "0" * 32, "a guess")
        errors = []
        for _ in range(200):
            with self.assertRaises(AlibabaCloudException) as caught:
                call(guessing, "get_workload_access_token", workload_identity_name="bound")
            errors.append(caught.exception)
            if isinstance(caught.exception, ThrottlingException):
                break
        self.assertEqual((errors[0].status_code, errors[0].code), (401, "InvalidAccessKeyId.NotFound"))
        last = errors[-1]
        self.assertIsInstance(last, ThrottlingException)
        self.assertEqual((last.status_code, last.code), (429, "Throttling.User"))
        self.assertTrue(0 < last.retry_after <= 60_000, last.retry_after)
        self.assertTrue(last.request_id)
