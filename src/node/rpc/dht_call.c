/* SPDX-License-Identifier: MIT
 *
 * One call from its start to its answer. The engine's handler writes what it
 * hears into lists, encoded as they will be sent, and tells a client that
 * streams at once; `done` puts the answer together with what the method adds
 * (`pairs`, `answer`). A lookup ends with its client; a publication goes on for
 * others.
 */
#include "node/rpc/dht_call.h"
#include "base/timestamp.h"
#include "node/os/clock.h"

#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT    (256 * 1024) /* bytes of one list of an answer */
#define ELEMENT_LIMIT 512
#define WHY_LIMIT     512

/* ---- Lists ------------------------------------------------------------- */

/* What does not fit is left out: the counts of the result tell. */
static void collect(struct collected *list, const struct mp_writer *element)
{
    if (element->err != OK || list->mp.len + element->len > LIST_LIMIT)
        return;
    text_add_bytes(&list->mp, mp_writer_bytes(element));
    list->count++;
}

void dht_call_write_list(struct mp_writer *w, const char *key,
                         const struct collected *list)
{
    mp_write_text(w, key);
    mp_write_array(w, list->count);
    mp_write_raw(w, bytes_of(list->mp.buf, list->mp.len));
}

/* Hop 0 is this node itself. */
static void write_found_by(struct mp_writer *w, const struct dht_step *step)
{
    rpc_write_uint(w, "hop", step->hop);
    if (step->hop > 0) {
        rpc_write_endpoint(w, "from", &step->to);
    } else {
        mp_write_text(w, "from");
        mp_write_nil(w);
    }
}

/* ---- News of the engine ------------------------------------------------ */

static const char *const outcomes[] = {[DHT_STEP_ANSWERED] = "answered",
                                       [DHT_STEP_TIMEOUT] = "timeout",
                                       [DHT_STEP_UNSENT] = "unsent",
                                       [DHT_STEP_ERROR] = "error",
                                       [DHT_STEP_DISTRUST] = "distrusted"};

static void write_step(struct mp_writer *w, const struct dht_call *c,
                       const struct dht_step *s)
{
    mp_write_map(w, 11);
    rpc_write_uint(w, "hop", s->hop);
    rpc_write_ms(w, "at", time_since(c->began_at, s->asked_at));
    rpc_write_endpoint(w, "address", &s->to);
    rpc_write_id(w, "id", &s->id);
    rpc_write_text(w, "outcome", outcomes[s->outcome]);
    rpc_write_bool(w, "early", s->early);
    rpc_write_ms(w, "rtt",
                 s->answered_at == TIME_NEVER
                     ? TIME_NEVER
                     : time_since(s->asked_at, s->answered_at));
    rpc_write_uint(w, "nodes", s->nodes);
    rpc_write_uint(w, "fresh", s->fresh);
    rpc_write_uint(w, "values", s->values);
    rpc_write_int(w, "bits", s->bits);
}

static void on_step(void *ctx, const struct dht_step *step)
{
    struct dht_call *c = ctx;
    uint8_t buf[ELEMENT_LIMIT];
    struct mp_writer w;

    if (c->trace) {
        mp_writer_init(&w, buf, sizeof(buf));
        write_step(&w, c, step);
        collect(&c->steps, &w);
    }
    if (c->stream && c->call != NULL) {
        write_step(control_notify(c->call, "step"), c, step);
        control_notified(c->call);
    }
}

static void write_peer(struct mp_writer *w, const struct endpoint *peer,
                       const struct dht_step *found_by)
{
    mp_write_map(w, 3);
    rpc_write_endpoint(w, "address", peer);
    write_found_by(w, found_by);
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct dht_call *c = ctx;
    uint8_t buf[ELEMENT_LIMIT];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    write_peer(&w, peer, found_by);
    collect(&c->peers, &w);
    if (c->stream && c->call != NULL) {
        write_peer(control_notify(c->call, "peer"), peer, found_by);
        control_notified(c->call);
    }
}

void dht_call_keep_item(struct dht_call *c, const struct dht_item *item)
{
    c->has_item = true;
    c->item = *item;
    c->value = *item->value;
    c->item.value = &c->value;
    if (item->salt.len > 0)
        memmove(c->salt, item->salt.p, item->salt.len);
    c->item.salt = bytes_of(c->salt, item->salt.len);
}

/* One that is no msgpack is bytes of another name. */
static void write_value(struct mp_writer *w, const struct value *value)
{
    mp_write_text(w, value_is_raw(value) ? "bencoded" : "value");
    if (value_is_raw(value))
        mp_write_bin(w, value_bytes(value));
    else
        mp_write_raw(w, value_bytes(value));
}

void dht_call_write_item(struct mp_writer *w, const struct dht_item *item,
                         unsigned hop)
{
    mp_write_map(w, item->mutable_item ? 7 : 3);
    write_value(w, item->value);
    rpc_write_bool(w, "mutable", item->mutable_item);
    rpc_write_uint(w, "hop", hop);
    if (!item->mutable_item)
        return;
    rpc_write_hex(w, "key", bytes_of(item->key, sizeof(item->key)));
    rpc_write_hex(w, "signature",
                  bytes_of(item->signature, sizeof(item->signature)));
    rpc_write_int(w, "seq", item->seq);
    mp_write_text(w, "salt");
    mp_write_bin(w, item->salt);
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *found_by)
{
    struct dht_call *c = ctx;

    if (c->has_item && item->mutable_item && item->seq <= c->item.seq)
        return;
    dht_call_keep_item(c, item);
    c->item_hop = found_by->hop;
    if (c->stream && c->call != NULL) {
        dht_call_write_item(control_notify(c->call, "item"), item,
                            found_by->hop);
        control_notified(c->call);
    }
}

void dht_call_on_samples(void *ctx, const struct dht_samples *samples)
{
    struct dht_call *c = ctx;
    uint8_t buf[ELEMENT_LIMIT];

    c->has_samples = true;
    c->sampled = *samples;
    c->sampled.samples = bytes_of(NULL, 0);
    for (size_t i = 0; i + ID_BYTES <= samples->samples.len; i += ID_BYTES) {
        struct mp_writer w;
        struct id id;
        char text[ID_TEXT_SIZE];

        memcpy(id.b, samples->samples.p + i, ID_BYTES);
        mp_writer_init(&w, buf, sizeof(buf));
        mp_write_text(&w, id_print(&id, text));
        collect(&c->samples, &w);
    }
}

static void collect_nodes(struct collected *list, struct bytes in,
                          enum family f)
{
    struct endpoint ep;
    struct id id;

    while (dht_message_next_node(&in, f, &id, &ep)) {
        uint8_t buf[ELEMENT_LIMIT];
        struct mp_writer w;

        mp_writer_init(&w, buf, sizeof(buf));
        mp_write_map(&w, 2);
        rpc_write_id(&w, "id", &id);
        rpc_write_endpoint(&w, "address", &ep);
        collect(list, &w);
    }
}

void dht_call_on_answer(void *ctx, const struct dht_answer *answer)
{
    struct dht_call *c = ctx;

    c->version_len = answer->version.len;
    if (c->version_len > 0)
        memcpy(c->version, answer->version.p, c->version_len);
    for (int f = 0; f < FAMILIES; f++)
        collect_nodes(&c->nodes, answer->nodes[f], (enum family)f);
}

/* ---- Life -------------------------------------------------------------- */

static void drop_lists(struct dht_call *c)
{
    text_deinit(&c->steps.mp);
    text_deinit(&c->peers.mp);
    text_deinit(&c->samples.mp);
    text_deinit(&c->nodes.mp);
}

static void call_free(struct dht_call *c)
{
    drop_lists(c);
    call_end(&c->rpc->dht_calls, &c->under_way);
}

/* Who hears nothing while it knows nobody has asked bootstrap nodes in vain. */
static bool knows_nobody(const struct dht_call *c, enum error err)
{
    struct dht_status s;

    if (err != ERR_TIMEOUT || c->to_one)
        return err == ERR_NO_NODES;
    dht_status(dht_host_engine(c->dht), clock_now(), &s);
    return s.nodes[FAMILY_IPV4] + s.nodes[FAMILY_IPV6] == 0;
}

/* What to do about it, where there is something. */
static const char *advice(const struct dht_call *c, enum error err)
{
    if (knows_nobody(c, err))
        return c->dht == c->rpc->node->mainline
                   ? "no node of the mainline DHT is known yet: `warren "
                     "status` says why"
                   : "no other node is known yet: `warren status` says why";
    if (err == ERR_ADDRESS)
        return "this node cannot send there: no node can have that address, "
               "or `listen` has none of its family";
    if (err == ERR_IO)
        return "the kernel of this machine did not send it: the network card, "
               "its driver, or the address that the node listens on";
    return NULL;
}

static void fail(struct dht_call *c, enum error err)
{
    if (c->call == NULL)
        return;
    control_fail(c->call, err, advice(c, err));
    c->call = NULL;
}

/* Whoever published need not do it again, unless others hold something that
 * is in the way. */
static void fail_round(struct dht_call *c, enum error err)
{
    const char *known = advice(c, err);
    const char *what = known != NULL ? known : error_text(err);
    struct text why;

    if (c->call == NULL)
        return;
    text_init(&why, WHY_LIMIT);
    text_addf(&why, "%s; this node %s and tries again by itself", what,
              dht_host_keeps(c->dht, c->has_item, &c->target)
                  ? "keeps it"
                  : "cannot keep it on disk beyond a restart,");
    control_fail(c->call, err, text_get(&why));
    c->call = NULL;
    text_deinit(&why);
}

static bool goes_on(const struct dht_call *c, enum error err)
{
    return c->outlives_client && err != ERR_CAS && err != ERR_SEQ &&
           err != ERR_CANCELLED;
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct dht_call *c = ctx;

    if (c->ended != NULL)
        c->ended(c, result);
    if (c->call != NULL && result->error == OK) {
        struct mp_writer *w = control_reply(c->call);

        mp_write_map(w, c->pairs(c, result) + (c->trace ? 1 : 0));
        c->answer(c, result, w);
        if (c->trace)
            dht_call_write_list(w, "steps", &c->steps);
        control_finish(c->call);
    } else if (goes_on(c, result->error)) {
        fail_round(c, result->error);
    } else {
        fail(c, result->error);
    }
    call_free(c);
}

/* The client has gone; a lookup has nobody left to look for. */
static void on_cancel(void *arg)
{
    struct dht_call *c = arg;

    c->call = NULL;
    if (c->outlives_client)
        return;
    dht_cancel(dht_host_engine(c->dht), c->under_way.id);
    dht_host_rearm(c->dht);
    call_free(c);
}

struct dht_host *rpc_dht_of(struct rpc *rpc, struct control_call *call,
                            const struct rpc_params *params)
{
    struct dht_host *dht = params->mainline ? rpc->node->mainline
                                            : rpc->node->dht;

    if (dht == NULL)
        control_fail(call, ERR_UNSUPPORTED,
                     "this node is not in the mainline DHT: set enabled = true "
                     "in the section [mainline] of its configuration, and "
                     "start it again");
    return dht;
}

struct dht_call *dht_call_new(struct rpc *rpc, struct control_call *call,
                              const struct rpc_params *params)
{
    struct dht_host *dht = rpc_dht_of(rpc, call, params);
    struct dht_call *c;

    if (dht == NULL)
        return NULL;
    c = call_new(&rpc->dht_calls, sizeof(*c));
    if (c == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    c->rpc = rpc;
    c->dht = dht;
    c->call = call;
    c->handler = (struct dht_handler){.ctx = c,
                                      .peer = on_peer,
                                      .item = on_item,
                                      .step = on_step,
                                      .done = on_done};
    c->to_one = (params->has & RPC_ADDRESS) != 0;
    c->trace = params->trace;
    c->stream = params->stream;
    c->target = params->target;
    c->began_at = clock_now();
    text_init(&c->steps.mp, LIST_LIMIT);
    text_init(&c->peers.mp, LIST_LIMIT);
    text_init(&c->samples.mp, LIST_LIMIT);
    text_init(&c->nodes.mp, LIST_LIMIT);
    return c;
}

/* What does not even start met a cap of this node's own: nobody else has
 * refused it, so it goes by another code. */
static void fail_own_cap(struct dht_call *c)
{
    const struct config *node = &c->rpc->node->config;
    bool mainline = c->dht == c->rpc->node->mainline;
    const struct dht_config *config = mainline ? &node->mainline : &node->dht;
    const char *section = mainline ? "mainline" : "dht";
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (c->outlives_client)
        text_addf(&why,
                  "this node publishes as much as max_publications in the "
                  "section [%s] of its configuration allows (%u): raise it, "
                  "or withdraw something; `warren dht published%s` lists what "
                  "there is",
                  section, config->max_publications,
                  mainline ? " --mainline" : "");
    else if (c->asks)
        text_addf(&why,
                  "as many questions of this kind wait for answers as a "
                  "quarter of max_pending in the section [%s] of this node's "
                  "configuration allows (%u in all): raise it, or ask more "
                  "slowly",
                  section, config->max_pending);
    else
        text_addf(&why,
                  "as many lookups run as max_lookups in the section [%s] of "
                  "this node's configuration allows (%u): raise it, or try "
                  "again in a moment",
                  section, config->max_lookups);
    control_fail(c->call, ERR_NO_SPACE, text_get(&why));
    c->call = NULL;
    text_deinit(&why);
}

/* The engine may have ended it already, and it was answered then. */
void dht_call_started(struct dht_call *c, enum error err)
{
    struct calls *calls = &c->rpc->dht_calls;

    if (err == OK && call_started(calls, &c->under_way, true)) {
        control_on_cancel(c->call, on_cancel, c);
    } else if (err != OK) {
        if (err == ERR_FULL)
            fail_own_cap(c);
        else
            fail(c, err);
        drop_lists(c);
        call_started(calls, &c->under_way, false);
    }
}

void rpc_dht_end(struct rpc *rpc)
{
    struct call *call;

    while ((call = TAILQ_FIRST(&rpc->dht_calls)) != NULL) {
        struct dht_call *c = (struct dht_call *)(void *)call;

        dht_cancel(dht_host_engine(c->dht), call->id);
        call_free(c);
    }
}
