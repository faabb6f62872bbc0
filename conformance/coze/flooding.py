"""Last, for it is this machine's address that is limited afterwards: guesses are held back in words that the original can tell."""

from coze_workload_identity import TokenRetrievalError

from scene import Judged, scene


class Flooding(Judged):
    def test_a_flood_of_wrong_secrets_is_told_to_slow_down(self):
        client = self.client("flood", COZE_WORKLOAD_IDENTITY_CLIENT_SECRET="wrong")
        texts = []
        for _ in range(200):
            with self.assertRaises(TokenRetrievalError) as caught:
                client.get_access_token()
            texts.append(str(caught.exception))
        url = f"{scene['url']}/coze/token"
        self.assertEqual(texts[0], f"Failed to retrieve token: 401 Client Error: Unauthorized for url: {url}")
        self.assertEqual(texts[-1], f"Failed to retrieve token: 429 Client Error: Too Many Requests for url: {url}")
