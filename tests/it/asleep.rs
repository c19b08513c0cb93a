//! A laptop asleep: on waking, one stream request brings list and counts to exactly what they are.

use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::wire::event::Event;

use crate::support::device::Device;
use crate::support::server::Server;

#[tokio::test]
async fn a_laptop_that_slept_needs_one_request() {
    let server = Server::start().await;
    for n in 0..3 {
        server.api().publish("ada", &format!("before {n}")).await;
    }
    let mut device = Device::new("ada");
    let mut laptop = server.opening("ada").snapshot(20).open().await;
    device.connect(laptop.came_with());
    device.apply(&laptop.next().await);
    assert_eq!(device.items().len(), 3, "the first request brought the list too");
    laptop.hang_up();

    let phone = server.user("ada");
    let mut ids: Vec<NotificationId> = Vec::new();
    for n in 0..40 {
        ids.push(server.api().publish("ada", &format!("while away {n}")).await.id);
    }
    for id in &ids[..20] {
        assert_eq!(phone.read(id).await.0, 200);
    }
    assert_eq!(phone.read_ids(&ids[20..30]).await.0, 200);
    for id in &ids[25..30] {
        assert_eq!(phone.delete(id).await.0, 200);
    }
    let truth = phone.list_all().await;
    assert_eq!((truth.items.len(), truth.counts.unread), (38, 13));

    laptop.resume().await;
    device.connect(laptop.came_with());
    let ready = laptop.next().await;
    device.apply(&ready);
    let Some(Event::Ready(ready)) = ready.event else { panic!("ready, not {ready:?}") };
    assert_eq!((ready.counts, ready.resumed, ready.missed), (truth.counts, true, Some(61)));
    while device.at() < truth.counts.rev {
        let received = laptop.next().await;
        if let Some(Event::Message(message)) = &received.event {
            assert!(message.replayed, "a waking page must not raise a toast for it");
        }
        device.apply(&received);
    }
    assert!(!device.needs_list());
    device.assert_shows(&truth.items, truth.counts);
    server.stop().await;
}
