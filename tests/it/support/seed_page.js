// The page of the seed's section 3.4 with its two slips put right: what a notification says stands in `data.data`, and
// `onerror` closes nothing, since the browser comes back by itself. Its stores and its toasts are stand-ins that write
// into the page. The body of a function of (token, what else stands in the query).
const [authToken, more] = arguments;

document.body.innerHTML = '<h1 id="badge"></h1><ul id="toasts"></ul><ol id="journal"></ol>';
const add = (list, name, text) => {
  const item = document.createElement('li');
  item.className = name;
  item.textContent = text;
  document.getElementById(list).append(item);
};

const authStore = { token: authToken };
const notificationStore = {
  set unreadCount(count) {
    document.getElementById('badge').textContent = count;
  }
};
const ElNotification = ({ message, type }) => add('toasts', type, message);

let eventSource = null;

function connectSSE() {
  const token = authStore.token;
  if (!token) return;

  eventSource = new EventSource(`/api/v1/notifications/stream?token=${token}${more}`);

  eventSource.onmessage = (event) => {
    const data = JSON.parse(event.data);
    // 更新未读数
    notificationStore.unreadCount = data.unread_count;
    // 弹出 Toast 提示 (可选)
    ElNotification({
      title: '新消息',
      message: `${data.data.sender.username} ${data.data.content}`,
      type: 'info'
    });
  };

  eventSource.onerror = () => {
    // 重连逻辑交给浏览器
  };
}

connectSSE();

// Not the seed's: all that the EventSource tells, for a story to look at.
for (const name of ['open', 'error', 'message', 'ready', 'inbox', 'ping', 'resync', 'close']) {
  eventSource.addEventListener(name, ({ lastEventId, data }) => {
    add('journal', name, JSON.stringify({ name, id: lastEventId ?? '', data: JSON.parse(data ?? 'null') }));
  });
}
