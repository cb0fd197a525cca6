// Command ociregistry is the registry that tests pull components from: go-containerregistry's, in memory, with the
// ways to authenticate that registries on the network have.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

// The token that the token service hands out.
const token = "a-token-of-the-registry"

func main() {
	auth := flag.String("auth", "none", "none, basic or bearer")
	user := flag.String("user", "", "user name")
	password := flag.String("password", "", "password")
	cert := flag.String("cert", "", "certificate (PEM); with -key: serve TLS")
	key := flag.String("key", "", "key (PEM)")
	redirect := flag.String("redirect", "", "answer requests for blobs with a redirect to this URL and the request's path")
	addressFile := flag.String("address-file", "", "where to write the address that was bound")
	flag.Parse()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	scheme := "http"
	if *cert != "" {
		scheme = "https"
	}
	authenticated := func(r *http.Request) bool {
		name, given, ok := r.BasicAuth()
		return ok && name == *user && given == *password
	}
	blobs := registry.New(registry.Logger(log.New(os.Stderr, "", 0)))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Print(r.Method, " ", r.URL.Path)
		if r.URL.Path == "/token" {
			if !authenticated(r) {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			log.Print("token for ", r.URL.Query().Get("service"), " ", r.URL.Query().Get("scope"))
			_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
			return
		}
		switch {
		case *auth == "basic" && !authenticated(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		case *auth == "bearer" && r.Header.Get("Authorization") != "Bearer "+token:
			realm := url.URL{Scheme: scheme, Host: listener.Addr().String(), Path: "/token"}
			challenge := fmt.Sprintf(`Bearer realm=%q,service="test",scope="repository:x:pull"`, realm.String())
			w.Header().Set("WWW-Authenticate", challenge)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		case *redirect != "" && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:"):
			http.Redirect(w, r, *redirect+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		blobs.ServeHTTP(w, r)
	})
	// Written whole or not at all: tests wait for it.
	if err := os.WriteFile(*addressFile+".new", []byte(listener.Addr().String()), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(*addressFile+".new", *addressFile); err != nil {
		log.Fatal(err)
	}
	if scheme == "https" {
		log.Fatal(http.ServeTLS(listener, handler, *cert, *key))
	}
	log.Fatal(http.Serve(listener, handler))
}
