// Sends the file of a form in pieces that go on where they stopped, by tus behind the portal's own addresses. Without
// this script the form sends its file at once. What is said stands in the form's data-… in the page's language.
"use strict";

const LEAST = 1 << 16, MOST = 1 << 22; // bytes of a piece
const SECONDS = 2; // that a piece should take: what is lost when the connection breaks
const LONGEST_WAIT = 30; // seconds

class Ended extends Error {} // the session: signing in again helps
class Lost extends Error {} // the connection, or a server is busy: waiting helps
class Forgotten extends Error {} // the server does not know the upload (any more)
class Wrong extends Error { // what was chosen; `texts` by the form's fields
  constructor(texts) { super(); this.texts = texts; }
}

const pause = (seconds) => new Promise((done) => {
  const waiting = setTimeout(done, seconds * 1000);
  addEventListener("online", () => { clearTimeout(waiting); done(); }, { once: true });
});

class Upload {
  constructor(form, file) {
    this.form = form;
    this.file = file;
    this.bar = form.querySelector("progress");
    this.status = form.querySelector("[role=status]");
    this.share = new Intl.NumberFormat(form.dataset.locale, { style: "percent" });
    const language = form.elements.language.value;
    this.key = ["upload", form.dataset.upload, language, file.name, file.size, file.lastModified].join(" ");
  }

  async run() {
    this.form.querySelector(".progress").hidden = false;
    this.say("sending");
    let address = localStorage.getItem(this.key);
    for (let waits = 1; ; waits = Math.min(waits * 2, LONGEST_WAIT)) {
      try {
        address ??= await this.begin();
        await this.send(address, () => { waits = 1; });
        localStorage.removeItem(this.key);
        return;
      } catch (error) {
        if (error instanceof Forgotten && address) {
          localStorage.removeItem(this.key);
          address = null;
        } else if (error instanceof Lost) {
          this.say("waiting");
          await pause(waits);
          this.say("sending");
        } else {
          if (error instanceof Wrong) localStorage.removeItem(this.key);
          throw error;
        }
      }
    }
  }

  async begin() {
    const { name, type, size } = this.file;
    const body = new URLSearchParams({ name, type, size, language: this.form.elements.language.value });
    const address = (await (await this.ask("POST", this.form.dataset.upload, {}, body)).json()).upload;
    localStorage.setItem(this.key, address);
    return address;
  }

  async send(address, went) {
    let offset = Number((await this.ask("HEAD", address)).headers.get("upload-offset"));
    for (let size = LEAST; offset < this.file.size;) {
      this.show(offset);
      const began = performance.now();
      const piece = this.file.slice(offset, offset + size);
      const headers = { "upload-offset": offset, "upload-length": this.file.size };
      offset = Number((await this.ask("PATCH", address, headers, piece)).headers.get("upload-offset"));
      const took = (performance.now() - began) / 1000;
      size = Math.round(Math.min(MOST, Math.max(LEAST, size * Math.min(4, SECONDS / took))));
      went();
    }
    this.show(offset);
  }

  async ask(method, address, headers = {}, body = undefined) {
    let answer;
    try {
      const token = this.form.elements.csrf.value;
      answer = await fetch(address, { method, body, headers: { ...headers, "x-csrf-token": token }, redirect: "manual" });
    } catch {
      throw new Lost();
    }
    if (answer.ok) return answer;
    if (answer.status === 401 || answer.type === "opaqueredirect") throw new Ended();
    if (answer.status === 404) throw new Forgotten();
    if ([408, 409, 429].includes(answer.status) || answer.status >= 500) throw new Lost();
    throw new Wrong(await answer.json().catch(() => ({})));
  }

  show(offset) {
    this.bar.value = offset / this.file.size;
    this.bar.nextElementSibling.textContent = this.share.format(Math.floor(this.bar.value * 100) / 100);
  }

  say(what) {
    this.status.textContent = what ? this.form.dataset[what] : "";
  }
}

function mark(form, name, text) {
  const field = form.elements[name];
  const note = document.createElement("small");
  note.className = "wrong";
  note.id = `${name}-wrong`;
  note.textContent = text;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${note.id} ${name}-hint`);
  field.closest(".field").append(note);
  field.focus();
}

function unmark(form) {
  form.querySelectorAll("small.wrong").forEach((note) => note.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
}

document.querySelectorAll("form[data-upload]").forEach((form) => form.addEventListener("submit", async (event) => {
  const file = form.elements.file.files[0];
  if (!file) return; // the service says what is missing
  event.preventDefault();
  const button = form.querySelector("button"), upload = new Upload(form, file);
  unmark(form);
  button.disabled = true;
  try {
    await upload.run();
    upload.say("complete");
    location.assign(form.dataset.done);
  } catch (error) {
    form.querySelector(".progress").hidden = true;
    button.disabled = false;
    upload.say(error instanceof Ended || error instanceof Forgotten ? "ended" : "");
    const texts = Object.entries(error.texts ?? {});
    for (const [name, text] of texts.reverse()) mark(form, name in form.elements ? name : "file", text);
    if (!(error instanceof Wrong || error instanceof Ended || error instanceof Forgotten)) throw error;
  }
}));
