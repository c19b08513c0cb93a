//! A device with its link: it reads, comes back by itself with its cursor, and fetches the list when it must.

use std::time::Duration;

use super::device::Device;
use super::http::Api;
use super::opening::Opening;
use super::patience::{self, Patience};
use super::reader::Reader;

/// Before it comes back: a server that says `close` to whoever comes is not to be asked without a pause.
const PACE: Duration = Duration::from_millis(20);

/// A device that follows its inbox.
pub struct Follower {
    pub device: Device,
    pub reader: Reader,
    api: Api,
}

impl Follower {
    /// Opens a stream of `user`'s, and follows until the device has begun; `api` is this user's too.
    pub async fn open(user: &str, opening: Opening, api: Api) -> Self {
        let reader = opening.open().await;
        let mut device = Device::new(user);
        device.connect(reader.came_with());
        let mut follower = Self { device, reader, api };
        follower.until(Device::has_begun).await;
        follower
    }

    /// Follows until the device is so, coming back whenever the connection ends.
    ///
    /// # Panics
    /// When nothing comes for long that could make it so.
    pub async fn until(&mut self, so: impl Fn(&Device) -> bool) {
        while !self.until_or_end(&so).await {
            patience::pause(PACE).await;
            self.come_back().await;
        }
    }

    /// As [`Follower::until`] on this connection alone: whether the device is so, else the connection has ended.
    pub async fn until_or_end(&mut self, so: impl Fn(&Device) -> bool) -> bool {
        let mut patience = Patience::begin();
        loop {
            if self.device.needs_list() {
                let listed = self.api.list_all().await;
                self.device.take_list(listed.items, listed.counts);
            }
            if so(&self.device) {
                return true;
            }
            let Some(received) = self.reader.next_block().await else { return false };
            let (device, reader) = (&mut self.device, &self.reader);
            assert!(patience.lasts(!received.is_ping()), "only pings for {device:?}; received:\n{reader:?}");
            device.apply(&received);
        }
    }

    /// Ends the connection, if it has not ended, and opens another.
    pub async fn come_back(&mut self) {
        self.reader.resume().await;
        self.device.connect(self.reader.came_with());
    }

    /// Follows up to where the inbox is now.
    ///
    /// # Panics
    /// When the device then does not show exactly what is there, or a stream has misbehaved.
    pub async fn assert_shows_the_truth(&mut self) {
        let listed = self.api.list_all().await;
        self.until(|device| device.is_open() && device.at() >= listed.counts.rev).await;
        self.device.assert_shows(&listed.items, listed.counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::script::{Script, Then};
    use crate::support::told::*;

    fn stream(blocks: &[String], then: Then) -> (String, Then) {
        (format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{}", blocks.concat()), then)
    }

    fn list(items: &[String], badge: &str, cursor: &str) -> (String, Then) {
        let body = format!("{{\"items\":[{}],\"next\":null,{badge},\"cursor\":\"{cursor}\"}}", items.join(","));
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()), Then::Close)
    }

    #[tokio::test]
    async fn it_comes_back_fetches_the_list_and_shows_the_truth() {
        let torn = message(2, false, &badge(2, 2, 2), None);
        let torn = torn[..torn.len() - 5].to_owned();
        let script = Script::start([
            stream(
                &[ready(Some(0), false, &badge(0, 0, 0), ""), message(1, false, &badge(1, 1, 1), None), torn],
                Then::Close,
            ),
            list(&[item(9, false), item(1, true)], &badge(1, 1, 10), "aaaaaa-10"),
            stream(&[ready(None, false, &badge(1, 1, 9), ""), resync(9, &badge(2, 2, 9), "")], Then::Close),
            list(&[item(9, false), item(1, false)], &badge(2, 2, 9), "aaaaaa-9"),
            stream(
                &[ready(Some(9), true, &badge(1, 1, 10), ""), inbox(10, "read", &ids(&[1]), &badge(1, 1, 10))],
                Then::Hold,
            ),
        ])
        .await;
        let api = Api::new(format!("http://{}", script.addr()), "t");
        let mut follower = Follower::open("ada", Opening::new(script.addr(), "t"), api).await;
        follower.until(|device| device.at() == 1).await;
        follower.assert_shows_the_truth().await;
        let cursors: Vec<_> = script
            .requests()
            .iter()
            .map(|head| head.split("Last-Event-ID: ").nth(1).map(|id| id[..8].to_owned()))
            .collect();
        let named = |cursor: &str| Some(cursor.to_owned());
        assert_eq!(cursors, [None, None, named("aaaaaa-1"), None, named("aaaaaa-9")]);
    }

    #[tokio::test]
    #[should_panic(expected = "it lacks")]
    async fn it_notices_what_is_missing() {
        let script = Script::start([
            stream(&[ready(Some(0), false, &badge(0, 0, 0), ""), "id: aaaaaa-2\n\n".to_owned()], Then::Hold),
            list(&[item(2, false)], &badge(1, 1, 2), "aaaaaa-2"),
        ])
        .await;
        let api = Api::new(format!("http://{}", script.addr()), "t");
        Follower::open("ada", Opening::new(script.addr(), "t"), api).await.assert_shows_the_truth().await;
    }
}
