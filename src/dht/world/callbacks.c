/* SPDX-License-Identifier: MIT
 *
 * The queue of callbacks: a buffer with the entries from `begin` to `end`, and
 * behind them room for as many `done` as were promised. An entry is a head and
 * what its kind needs. To be told, it is copied out first: the handler may add
 * entries, which moves the buffer.
 */
#include "dht/world/callbacks.h"

#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 1024

enum kind { FORGOTTEN, EVENT, PEER, ITEM, STEP, SAMPLES, ANSWER, DONE };

struct head {
    uint32_t len; /* of the whole entry, a multiple of its alignment */
    uint32_t kind;
    dht_request request; /* 0: an event */
    struct dht_handler handler;
    void (*samples)(void *ctx, const struct dht_samples *);
    void (*answer)(void *ctx, const struct dht_answer *);
};

struct peer_record {
    struct head head;
    struct endpoint peer;
    struct dht_step step;
};

struct item_record {
    struct head head;
    struct dht_item item; /* its views are set when it is told */
    struct dht_step step;
    struct value value;
    uint8_t salt[DHT_SALT_MAX];
};

struct samples_record {
    struct head head;
    struct dht_samples samples; /* likewise */
    uint8_t bytes[DHT_SAMPLES_MAX * DHT_HASH_BYTES];
};

struct answer_record {
    struct head head;
    struct dht_answer answer; /* likewise */
    uint8_t version[DHT_VERSION_MAX];
    uint8_t nodes[DHT_NODES_MAX * (COMPACT_NODE4 + COMPACT_NODE6)];
};

struct step_record {
    struct head head;
    struct dht_step step;
};

struct done_record {
    struct head head;
    struct dht_result result;
};

struct event_record {
    struct head head;
    struct dht_event event;
};

union record {
    struct head head;
    struct event_record event;
    struct peer_record peer;
    struct item_record item;
    struct step_record step;
    struct samples_record samples;
    struct answer_record answer;
    struct done_record done;
};

void callbacks_init(struct callbacks *c)
{
    *c = (struct callbacks){.bytes = NULL};
}

void callbacks_deinit(struct callbacks *c)
{
    free(c->bytes);
    callbacks_init(c);
}

/* ---- The buffer ---------------------------------------------------------- */

static size_t rounded(size_t len)
{
    size_t unit = _Alignof(union record);

    return (len + unit - 1) / unit * unit;
}

/* Room for `len` bytes more beside what was promised. */
static bool make_room(struct callbacks *c, size_t len)
{
    size_t used = c->end - c->begin;
    size_t need =
        used + len + c->promised * rounded(sizeof(struct done_record));
    size_t cap = c->cap == 0 ? FIRST_BYTES : c->cap;
    uint8_t *bytes;

    if (c->begin + need <= c->cap)
        return true;
    if (c->begin > 0)
        memmove(c->bytes, c->bytes + c->begin, used);
    c->begin = 0;
    c->end = used;
    while (cap < need)
        cap *= 2;
    if (cap == c->cap)
        return true;
    bytes = realloc(c->bytes, cap);
    if (bytes == NULL)
        return false;
    c->bytes = bytes;
    c->cap = cap;
    return true;
}

static void append(struct callbacks *c, const struct head *entry)
{
    assert(c->end + entry->len <= c->cap);
    memcpy(c->bytes + c->end, entry, entry->len);
    c->end += entry->len;
    c->waiting++;
}

/* `head` begins an entry that has room for `len`, rounded. */
static void add(struct callbacks *c, struct head *head, size_t len)
{
    head->len = (uint32_t)rounded(len);
    if (make_room(c, head->len))
        append(c, head);
}

static struct head head_of(enum kind kind, const struct caller *caller)
{
    return (struct head){.kind = kind,
                         .request = caller->request,
                         .handler = caller->handler,
                         .samples = caller->samples,
                         .answer = caller->answer};
}

/* ---- Promises ------------------------------------------------------------ */

enum error callbacks_promise(struct callbacks *c, struct caller *caller)
{
    if (caller->handler.done == NULL)
        return OK;
    if (!make_room(c, rounded(sizeof(struct done_record))))
        return ERR_NO_MEMORY;
    c->promised++;
    caller->promised = true;
    return OK;
}

void callbacks_forget_request(struct callbacks *c, dht_request request)
{
    size_t at = c->begin;

    while (request != 0 && at < c->end) {
        struct head head;

        memcpy(&head, c->bytes + at, sizeof(head));
        if (head.request == request) {
            head.kind = FORGOTTEN;
            memcpy(c->bytes + at, &head, sizeof(head));
        }
        at += head.len;
    }
}

void callbacks_forget(struct callbacks *c, struct caller *caller)
{
    c->promised -= caller->promised;
    callbacks_forget_request(c, caller->request);
    *caller = (struct caller){.request = caller->request};
}

/* ---- Adding -------------------------------------------------------------- */

void callbacks_event(struct callbacks *c, const struct dht_event *event)
{
    struct event_record e = {.head = {.kind = EVENT}, .event = *event};

    add(c, &e.head, sizeof(e));
}

void callbacks_peer(struct callbacks *c, const struct caller *caller,
                    const struct endpoint *peer, const struct dht_step *step)
{
    struct peer_record e = {head_of(PEER, caller), *peer, *step};

    if (caller->handler.peer != NULL)
        add(c, &e.head, sizeof(e));
}

void callbacks_item(struct callbacks *c, const struct caller *caller,
                    const struct dht_item *item, const struct dht_step *step)
{
    struct item_record e = {.head = head_of(ITEM, caller)};

    if (caller->handler.item == NULL)
        return;
    assert(item->salt.len <= sizeof(e.salt));
    e.item = *item;
    e.step = *step;
    e.value = *item->value;
    if (item->salt.len > 0)
        memcpy(e.salt, item->salt.p, item->salt.len);
    add(c, &e.head, sizeof(e));
}

void callbacks_step(struct callbacks *c, const struct caller *caller,
                    const struct dht_step *step)
{
    struct step_record e = {head_of(STEP, caller), *step};

    if (caller->handler.step != NULL)
        add(c, &e.head, sizeof(e));
}

void callbacks_samples(struct callbacks *c, const struct caller *caller,
                       const struct dht_samples *samples)
{
    struct samples_record e = {.head = head_of(SAMPLES, caller)};

    if (caller->samples == NULL)
        return;
    e.samples = *samples;
    if (samples->samples.len > sizeof(e.bytes))
        e.samples.samples.len = sizeof(e.bytes);
    if (e.samples.samples.len > 0)
        memcpy(e.bytes, samples->samples.p, e.samples.samples.len);
    add(c, &e.head, sizeof(e));
}

/* Nodes as they were read from a message: no more than there is room for. */
static void copy_nodes(struct answer_record *e, const struct dht_answer *answer)
{
    const struct bytes *nodes = answer->nodes;
    size_t at = 0;

    for (int f = 0; f < FAMILIES; f++) {
        assert(at + nodes[f].len <= sizeof(e->nodes));
        if (nodes[f].len > 0)
            memcpy(e->nodes + at, nodes[f].p, nodes[f].len);
        at += nodes[f].len;
    }
}

void callbacks_answer(struct callbacks *c, const struct caller *caller,
                      const struct dht_answer *answer)
{
    struct answer_record e = {.head = head_of(ANSWER, caller)};

    if (caller->answer == NULL)
        return;
    e.answer = *answer;
    assert(answer->version.len <= sizeof(e.version));
    if (answer->version.len > 0)
        memcpy(e.version, answer->version.p, answer->version.len);
    copy_nodes(&e, answer);
    add(c, &e.head, sizeof(e));
}

void callbacks_done(struct callbacks *c, struct caller *caller,
                    const struct dht_result *result)
{
    struct done_record e = {head_of(DONE, caller), *result};

    if (!caller->promised)
        return;
    e.head.len = (uint32_t)rounded(sizeof(e));
    caller->promised = false;
    c->promised--;
    if (c->begin > 0 && c->end + e.head.len > c->cap)
        make_room(c, e.head.len);
    append(c, &e.head);
}

/* ---- Telling ------------------------------------------------------------- */

static void tell(union record *e, const struct dht_env *env)
{
    const struct dht_handler *h = &e->head.handler;

    switch ((enum kind)e->head.kind) {
    case FORGOTTEN:
        break;
    case EVENT:
        env->event(env->ctx, &e->event.event);
        break;
    case PEER:
        h->peer(h->ctx, &e->peer.peer, &e->peer.step);
        break;
    case ITEM:
        e->item.item.value = &e->item.value;
        e->item.item.salt.p = e->item.salt;
        h->item(h->ctx, &e->item.item, &e->item.step);
        break;
    case STEP:
        h->step(h->ctx, &e->step.step);
        break;
    case SAMPLES:
        e->samples.samples.samples.p = e->samples.bytes;
        e->head.samples(h->ctx, &e->samples.samples);
        break;
    case ANSWER:
        e->answer.answer.version.p = e->answer.version;
        e->answer.answer.nodes[FAMILY_IPV4].p = e->answer.nodes;
        e->answer.answer.nodes[FAMILY_IPV6].p =
            e->answer.nodes + e->answer.answer.nodes[FAMILY_IPV4].len;
        e->head.answer(h->ctx, &e->answer.answer);
        break;
    case DONE:
        h->done(h->ctx, &e->done.result);
        break;
    }
}

static void take_first(struct callbacks *c, union record *out)
{
    struct head head;

    memcpy(&head, c->bytes + c->begin, sizeof(head));
    memcpy(out, c->bytes + c->begin, head.len);
    c->begin += head.len;
    c->waiting--;
    if (c->waiting == 0)
        c->begin = c->end = 0;
}

bool callbacks_run(struct callbacks *c, const struct dht_env *env,
                   const bool *stop)
{
    unsigned count = c->waiting;
    bool any = count > 0;

    for (; count > 0 && !*stop; count--) {
        union record e;

        take_first(c, &e);
        tell(&e, env);
    }
    if (c->waiting == 0 && c->promised == 0 && c->cap > 0)
        callbacks_deinit(c);
    return any;
}
