// Pages that are opened as files may not start workers. The search of the manual is one: here it runs
// in a frame that is not shown, whose messages are passed on: as copies, since either side changes
// what it has got.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(script) {
      this.onmessage = this.onerror = this.onmessageerror = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = `<script>self.postMessage = (data) => frameElement.receive(data)</script>
        <script src="${new URL(script, location.href)}"></script>`;
      this.frame.receive = (data) => {
        const copy = structuredClone(data);
        setTimeout(() => this.onmessage?.({ data: copy }));
      };
      this.ready = new Promise((loaded) => (this.frame.onload = loaded));
      document.body.append(this.frame);
    }

    postMessage(data) {
      const copy = structuredClone(data);
      this.ready.then(() => this.frame.contentWindow?.onmessage({ data: copy }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
