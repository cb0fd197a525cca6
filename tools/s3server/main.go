// Command s3server is the S3 storage that tests import from: gofakes3's, in memory, filled from a folder, which checks
// the signature of every request against AWS's own signer.
package main

import (
	"bytes"
	"crypto/subtle"
	"flag"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

const (
	dateFormat = "20060102T150405Z"
	unsigned   = "UNSIGNED-PAYLOAD"
)

func main() {
	bucket := flag.String("bucket", "states", "the bucket's name")
	from := flag.String("from", "", "a folder; its files are the bucket's objects")
	region := flag.String("region", "us-east-1", "the region that requests are signed for")
	key := flag.String("key", "", "access key")
	secret := flag.String("secret", "", "its secret")
	addressFile := flag.String("address-file", "", "where to write the address that was bound")
	flag.Parse()

	backend := s3mem.New()
	if err := backend.CreateBucket(*bucket); err != nil {
		log.Fatal(err)
	}
	err := filepath.WalkDir(*from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(*from, path)
		if err != nil {
			return err
		}
		_, err = backend.PutObject(*bucket, filepath.ToSlash(name), map[string]string{}, bytes.NewReader(content), int64(len(content)), nil)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	storage := gofakes3.New(backend).Server()
	credentials := aws.Credentials{AccessKeyID: *key, SecretAccessKey: *secret}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !signed(r, credentials, *region) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("<Error><Code>SignatureDoesNotMatch</Code></Error>"))
			return
		}
		storage.ServeHTTP(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	temporary := *addressFile + ".new"
	if err := os.WriteFile(temporary, []byte("http://"+listener.Addr().String()), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(temporary, *addressFile); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, handler))
}

// signed says whether the request's address carries the signature that AWS's signer gives it (Signature Version 4).
func signed(r *http.Request, credentials aws.Credentials, region string) bool {
	query := r.URL.Query()
	given := query.Get("X-Amz-Signature")
	at, err := time.Parse(dateFormat, query.Get("X-Amz-Date"))
	if err != nil || given == "" || time.Since(at).Abs() > 15*time.Minute {
		return false
	}
	for _, name := range []string{"X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders"} {
		query.Del(name)
	}
	again := r.Clone(r.Context())
	again.Header = http.Header{}
	again.URL.Scheme, again.URL.Host, again.URL.RawQuery = "http", r.Host, query.Encode()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	address, _, err := signer.PresignHTTP(r.Context(), credentials, again, unsigned, "s3", region, at)
	if err != nil {
		return false
	}
	expected, err := again.URL.Parse(address)
	return err == nil && subtle.ConstantTimeCompare([]byte(expected.Query().Get("X-Amz-Signature")), []byte(given)) == 1
}
