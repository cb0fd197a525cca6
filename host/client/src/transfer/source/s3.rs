//! Storage that speaks S3: AWS, MinIO, Ceph, R2 and others. Requests are signed (Signature Version 4).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, S3Action, UrlStyle};

use super::{Listing, Name, Source, left_out};
use crate::error::Error;
use crate::http::{Answer, Http, Redirects, place};
use crate::settings::{Credentials, Tls};

/// How long a signature holds. A request is made at once, but clocks differ.
const SIGNED_FOR: Duration = Duration::from_secs(900);

/// A bucket, and what its keys begin with.
pub struct S3 {
    http: Http,
    bucket: Bucket,
    credentials: Option<rusty_s3::Credentials>,
    prefix: String,
}

/// Where a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The server's address; none: AWS's in the region.
    pub endpoint: Option<Url>,
    /// The region; many servers take any.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: String,
    /// The bucket stands in the path, not in the host's name.
    pub path_style: bool,
}

/// Who asks. (<https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html>)
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
    /// `AWS_SESSION_TOKEN`, of a role that was assumed.
    pub token: Option<String>,
}

impl S3 {
    /// A bucket; without keys as anybody.
    ///
    /// # Errors
    /// A sentence: there cannot be such a bucket.
    pub fn new(place: Place, keys: Option<Keys>, tls: &Tls) -> Result<Self, Error> {
        let endpoint = match place.endpoint {
            Some(endpoint) => endpoint,
            None => Url::parse(&format!("https://s3.{}.amazonaws.com", place.region))
                .map_err(|error| Error::other(format!("--region {}: {error}", place.region)))?,
        };
        let http = Http::new(&endpoint, Credentials::default(), tls, Redirects::Followed)?;
        let style = if place.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(endpoint, style, place.bucket, place.region)
            .map_err(|error| Error::other(format!("there cannot be such a bucket: {error}")))?;
        let credentials = keys.map(|keys| match keys.token {
            Some(token) => rusty_s3::Credentials::new_with_token(keys.id, keys.secret, token),
            None => rusty_s3::Credentials::new(keys.id, keys.secret),
        });
        Ok(Self { http, bucket, credentials, prefix: place.prefix })
    }

    async fn get(&self, signed: Url) -> Result<Answer, Error> {
        self.http.send(&Method::GET, &signed, &HeaderMap::new(), &Bytes::new()).await
    }
}

#[async_trait]
impl Source for S3 {
    fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket.name(), self.prefix)
    }

    async fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut next: Option<String> = None;
        loop {
            let mut action = ListObjectsV2::new(&self.bucket, self.credentials.as_ref());
            action.with_prefix(self.prefix.as_str());
            if let Some(token) = &next {
                action.with_continuation_token(token.as_str());
            }
            let address = action.sign(SIGNED_FOR);
            let answer = self.get(address.clone()).await?;
            if answer.status != 200 {
                return Err(refused(&address, &answer));
            }
            let text = String::from_utf8_lossy(&answer.body);
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|error| Error::other(format!("{}: the list cannot be read: {error}", place(&address))))?;
            for object in page.contents {
                match left_out(&object.key) {
                    // What a console shows as a folder.
                    _ if object.key.ends_with('/') => {}
                    Some(why) => drop(listing.skipped.insert(object.key, why.to_owned())),
                    None => listing.names.push(Name::plain(object.key)),
                }
            }
            match page.next_continuation_token {
                None => return Ok(listing),
                Some(token) if next.as_ref() == Some(&token) => {
                    return Err(Error::other(format!("{}: the list does not end", place(&address))));
                }
                Some(token) => next = Some(token),
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let action = rusty_s3::actions::GetObject::new(&self.bucket, self.credentials.as_ref(), name);
        let address = action.sign(SIGNED_FOR);
        let answer = self.get(address.clone()).await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&address, &answer)),
        }
    }
}

/// A refusal, with the code that S3 gives in XML.
fn refused(address: &Url, answer: &Answer) -> Error {
    let text = String::from_utf8_lossy(&answer.body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let message = match code.filter(|code| code.chars().all(|c| c.is_ascii_alphanumeric())) {
        Some(code) => format!("the storage refuses: {code}"),
        None => "the storage refuses".to_owned(),
    };
    Error::Refused { place: place(address), status: answer.status, code: String::new(), message }
}
