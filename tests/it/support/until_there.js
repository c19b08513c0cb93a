// The texts of the elements that a selector finds, as soon as they are so many. The body of an asynchronous function of
// (selector, number, callback).
const [selector, number, done] = arguments;
const observer = new MutationObserver(look);

function look() {
  const found = document.querySelectorAll(selector);
  if (found.length < number) return;
  observer.disconnect();
  done(Array.from(found, (element) => element.textContent));
}

observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
look();
