// The page's behaviour: lists, adds, completes, edits and deletes tasks and shows what happened to them.
// Text from the service only ever becomes text nodes.

const PAGE_SIZE = 20;
const REFRESH_MILLISECONDS = 10_000;
const find = (id) => document.getElementById(id);
const view = { offset: 0, total: 0, activityTask: null, activityBefore: null, listing: 0, editing: null };

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error("The server cannot be reached. Check the connection and try again.");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const fields = (answer?.errors ?? []).map((error) => `${error.field}: ${error.remedy}`);
  throw new Error(fields.join("; ") || answer?.detail || `The server answered ${response.status}.`);
}

function notify(message) {
  find("notice-text").textContent = message ?? "";
  find("notice").hidden = !message;
}

/** Runs an action a person asked for; a failure is shown, never lost. */
async function attempt(action, trigger) {
  if (trigger) trigger.disabled = true;
  try {
    await action();
    notify();
    return true;
  } catch (error) {
    notify(error.message);
    return false;
  } finally {
    if (trigger) trigger.disabled = false;
  }
}

function listAddress() {
  const query = new URLSearchParams({ limit: PAGE_SIZE, offset: view.offset });
  if (find("search").value.trim()) query.set("q", find("search").value.trim());
  if (find("completed").value) query.set("completed", find("completed").value);
  return `/api/tasks?${query}`;
}

async function showTasks() {
  const listing = ++view.listing;
  find("tasks").setAttribute("aria-busy", "true");
  try {
    const page = await call("GET", listAddress());
    if (listing !== view.listing) return; // A later request is under way: its answer counts.
    if (page.items.length === 0 && view.offset > 0) {
      view.offset = Math.max(0, Math.floor((page.total - 1) / PAGE_SIZE) * PAGE_SIZE);
      return await showTasks();
    }
    view.total = page.total;
    const focused = focusKey();
    find("tasks").replaceChildren(...page.items.map(taskItem));
    restoreFocus(focused);
    showPosition(page.items.length);
  } finally {
    if (listing === view.listing) find("tasks").setAttribute("aria-busy", "false");
  }
}

/** Which control of which task has the focus, so that a refresh does not take it away. */
function focusKey() {
  const item = document.activeElement?.closest?.("#tasks li");
  return item ? [item.dataset.id, document.activeElement.classList[0]] : null;
}

function restoreFocus(key) {
  if (!key) return;
  const control = find("tasks").querySelector(`li[data-id="${key[0]}"] .${key[1]}`);
  (control ?? find("tasks")).focus();
}

function showPosition(shown) {
  const what = { "": "task", true: "completed task", false: "open task" }[find("completed").value];
  find("summary").textContent = `${view.total} ${what}${view.total === 1 ? "" : "s"}`;
  find("empty").hidden = shown > 0;
  find("pages").hidden = view.total <= PAGE_SIZE;
  find("position").textContent = `${view.offset + 1}–${view.offset + shown} of ${view.total}`;
  find("previous").disabled = view.offset === 0;
  find("next").disabled = view.offset + shown >= view.total;
}

function taskItem(task) {
  const item = find("task-template").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(`.${name}`);
  item.dataset.id = task.id;
  item.classList.toggle("done", task.completed);
  part("title").textContent = task.title;
  part("description").textContent = task.description;
  part("description").hidden = !task.description;
  part("priority").textContent = task.priority === "medium" ? "" : `${task.priority} priority`;
  part("priority").classList.add(task.priority);
  if (task.due_date) {
    part("due").dateTime = task.due_date;
    part("due").textContent = `due ${task.due_date}`;
    part("due").classList.toggle("overdue", !task.completed && task.due_date < today());
  }
  part("facts").hidden = !task.due_date && task.priority === "medium";
  const check = part("check");
  check.setAttribute("aria-checked", String(task.completed));
  check.setAttribute("aria-label", `Completed: ${task.title}`);
  const verb = task.completed ? "reopen" : "complete";
  check.addEventListener("click", () => change(() => call("POST", `/api/tasks/${task.id}/${verb}`), check));
  part("history").setAttribute("aria-label", `Activity of ${task.title}`);
  part("history").addEventListener("click", () => attempt(() => showActivity(task)));
  part("change").setAttribute("aria-label", `Edit ${task.title}`);
  part("change").addEventListener("click", () => openEditor(task));
  part("remove").setAttribute("aria-label", `Delete ${task.title}`);
  part("remove").addEventListener("click", (event) => remove(task, event.currentTarget));
  return item;
}

function today() {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

async function change(action, trigger) {
  const done = await attempt(async () => {
    await action();
    await showTasks();
  }, trigger);
  if (done) setTimeout(refreshActivity, 300); // Events travel behind the change.
  return done;
}

function remove(task, trigger) {
  if (trigger.dataset.sure) {
    change(() => call("DELETE", `/api/tasks/${task.id}`), trigger);
    return;
  }
  trigger.dataset.sure = "true";
  trigger.textContent = "Really delete?";
  setTimeout(() => {
    delete trigger.dataset.sure;
    trigger.textContent = "Delete";
  }, 4_000);
}

function fieldsOf(form) {
  const fields = new FormData(form);
  return {
    title: fields.get("title"),
    description: fields.get("description"),
    priority: fields.get("priority"),
    due_date: fields.get("due_date") || null,
  };
}

async function add(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const submit = form.querySelector("[type=submit]");
  view.offset = 0;
  if (await change(() => call("POST", "/api/tasks", fieldsOf(form)), submit)) {
    form.reset();
    find("title").focus();
  }
}

function openEditor(task) {
  view.editing = task;
  const form = find("edit").querySelector("form");
  for (const name of ["title", "description", "priority", "due_date"]) form.elements[name].value = task[name] ?? "";
  find("edit-error").hidden = true;
  find("edit").showModal();
}

async function save(event) {
  event.preventDefault();
  const wanted = fieldsOf(event.currentTarget);
  const task = view.editing;
  // Only what was changed here: somebody else may be changing the rest.
  const changed = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value !== task[name]));
  if (Object.keys(changed).length === 0) return find("edit").close();
  try {
    await call("PATCH", `/api/tasks/${task.id}`, changed);
  } catch (error) {
    find("edit-error").textContent = error.message;
    find("edit-error").hidden = false;
    return;
  }
  find("edit").close();
  change(async () => {});
}

const VERBS = { "task.created": "created", "task.updated": "updated", "task.completed": "completed", "task.deleted": "deleted" };

function activityItem(activity) {
  const verb = VERBS[activity.type] ?? activity.type;
  const item = document.createElement("li");
  if (VERBS[activity.type]) item.classList.add(verb);
  const what = document.createElement("span");
  const title = activity.title ?? `Task ${activity.task_id}`;
  const reopened = verb === "updated" && activity.changed.includes("completed");
  const fields = activity.changed.map((name) => name.replace("_", " ")).join(", ");
  if (reopened) what.textContent = `“${title}” was reopened`;
  else if (verb === "updated" && fields) what.textContent = `“${title}”: ${fields} changed`;
  else what.textContent = `“${title}” was ${verb}`;
  item.append(what);
  if (activity.time) {
    const time = document.createElement("time");
    time.dateTime = activity.time;
    time.textContent = new Date(activity.time).toLocaleString();
    item.append(time);
  }
  return item;
}

async function loadActivity(older) {
  const query = new URLSearchParams({ limit: 30 });
  if (view.activityTask) query.set("task_id", view.activityTask.id);
  if (older && view.activityBefore) query.set("before", view.activityBefore);
  const page = await call("GET", `/api/activity?${query}`);
  const items = page.items.map(activityItem);
  if (older) find("activity").append(...items);
  else find("activity").replaceChildren(...items);
  view.activityBefore = page.next_before;
  find("activity-more").hidden = page.next_before === null;
  find("activity-empty").hidden = find("activity").children.length > 0;
}

async function showActivity(task) {
  view.activityTask = task;
  find("activity-title").textContent = task ? `Activity of “${task.title}”` : "Activity";
  find("activity-all").hidden = !task;
  await loadActivity(false);
}

/** In the background: a feed that is away must not cover the tasks with messages. */
async function refreshActivity() {
  try {
    await loadActivity(false);
  } catch {
    find("activity-empty").hidden = find("activity").children.length > 0;
  }
}

function turnTo(offset) {
  view.offset = Math.max(0, offset);
  attempt(showTasks);
}

let typing;
find("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => turnTo(0), 200);
});
find("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  turnTo(0);
});
find("completed").addEventListener("change", () => turnTo(0));
find("previous").addEventListener("click", () => turnTo(view.offset - PAGE_SIZE));
find("next").addEventListener("click", () => turnTo(view.offset + PAGE_SIZE));
find("add").addEventListener("submit", add);
find("edit").querySelector("form").addEventListener("submit", save);
find("edit-cancel").addEventListener("click", () => find("edit").close());
find("notice-close").addEventListener("click", () => notify());
find("activity-all").addEventListener("click", () => attempt(() => showActivity(null)));
find("activity-more").addEventListener("click", (event) => attempt(() => loadActivity(true), event.currentTarget));

setInterval(() => {
  const busy = document.hidden || find("edit").open || document.querySelector("[data-sure]");
  if (busy) return;
  showTasks().catch(() => {});
  if (find("activity").children.length <= 30) refreshActivity();
}, REFRESH_MILLISECONDS);
attempt(showTasks);
refreshActivity();
