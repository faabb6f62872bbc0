// Judges the OAuth wire with golang.org/x/oauth2 and github.com/coreos/go-oidc: discovery, code with PKCE, ID token, userinfo, refresh, client
// credentials, introspection and revocation.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func walk(address string) url.Values {
	answer, err := http.Post(env("PERSON_URL"), "text/plain", strings.NewReader(address))
	check(err)
	text, err := io.ReadAll(answer.Body)
	check(err)
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("the person got stuck: %s", text)
	}
	back, err := url.Parse(string(text))
	check(err)
	return back.Query()
}

func post(address string, form url.Values) map[string]any {
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	check(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(env("CLIENT_ID")), url.QueryEscape(env("CLIENT_SECRET")))
	answer, err := http.DefaultClient.Do(request)
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s answered %d", address, answer.StatusCode)
	}
	body := map[string]any{}
	_ = json.NewDecoder(answer.Body).Decode(&body)
	return body
}

func main() {
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, env("LEGATE_TEST_URL"))
	check(err)
	var more struct {
		Introspection string `json:"introspection_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
	}
	check(provider.Claims(&more))

	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		endpoint := provider.Endpoint()
		endpoint.AuthStyle = style
		config := oauth2.Config{
			ClientID: env("CLIENT_ID"), ClientSecret: env("CLIENT_SECRET"), RedirectURL: env("REDIRECT_URI"),
			Endpoint: endpoint, Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, env("SCOPE")},
		}
		verifier := oauth2.GenerateVerifier()
		back := walk(config.AuthCodeURL("state-of-go", oidc.Nonce("nonce-of-go"), oauth2.S256ChallengeOption(verifier),
			oauth2.SetAuthURLParam("resource", env("RESOURCE"))))
		if back.Get("state") != "state-of-go" || back.Get("iss") != env("LEGATE_TEST_URL") {
			log.Fatalf("the browser came back with %v", back)
		}
		token, err := config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
		check(err)
		raw, _ := token.Extra("id_token").(string)
		id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: config.ClientID, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(ctx, raw)
		check(err)
		if id.Nonce != "nonce-of-go" {
			log.Fatal("the ID token has another nonce")
		}

		refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		check(err)
		if refreshed.RefreshToken == token.RefreshToken {
			log.Fatal("the refresh token was not rotated")
		}
		if seen := post(more.Introspection, url.Values{"token": {refreshed.AccessToken}}); seen["active"] != true || seen["sub"] != id.Subject {
			log.Fatalf("introspection says %v", seen)
		}
		post(more.Revocation, url.Values{"token": {refreshed.RefreshToken}})
		if seen := post(more.Introspection, url.Values{"token": {refreshed.AccessToken}}); len(seen) != 1 || seen["active"] != false {
			log.Fatalf("after the revocation introspection says %v", seen)
		}

		alone := clientcredentials.Config{
			ClientID: env("CLIENT_ID"), ClientSecret: env("CLIENT_SECRET"), TokenURL: endpoint.TokenURL, AuthStyle: style,
			Scopes: []string{env("SCOPE")}, EndpointParams: url.Values{"resource": {env("RESOURCE")}},
		}
		_, err = alone.Token(ctx)
		check(err)

		// Without a resource the token is for the user information alone.
		config.Scopes = []string{oidc.ScopeOpenID}
		verifier = oauth2.GenerateVerifier()
		back = walk(config.AuthCodeURL("another-state", oauth2.S256ChallengeOption(verifier)))
		token, err = config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
		check(err)
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		check(err)
		if info.Subject != id.Subject {
			log.Fatalf("user information is about %s", info.Subject)
		}
	}
	fmt.Println("x/oauth2 and go-oidc: discovery, code with PKCE, ID token, user information, refresh, client credentials, introspection, revocation")
}
