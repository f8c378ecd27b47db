/* SPDX-License-Identifier: MIT
 *
 * The tunnels ask through a table of functions; each asks the function of the
 * program's table, with a listener in which the program's answers come back.
 * The request in between lives until the program is done with it or it is
 * cancelled, and remembers what was asked for, so that an answer to something
 * else, or one that does not verify, goes no further.
 */
#include "lib/lib_provider.h"
#include "dht/types/dht_item.h"
#include "lib/lib_error.h"
#include "node/os/sockaddr.h"
#include "provider/provider_call.h"
#include "warren.h"
#include "wire/krpc/dht_message.h"

#include <stdlib.h>
#include <string.h>

struct request {
    struct provider_call call; /* the id is the program's */
    uint8_t key[32];           /* of an item */
    uint8_t salt[DHT_SALT_MAX];
    size_t salt_len;
};

struct lib_provider {
    struct dht_provider table;
    const struct warren_dht_provider *theirs;
    void (*answered)(void *arg);
    void *arg;
    struct calls running;
};

/* ---- Answers ------------------------------------------------------------ */

static void on_peer(void *ctx, uint64_t cookie, const struct sockaddr *peer)
{
    const struct request *r = ctx;
    const struct lib_provider *p = r->call.owner;
    struct endpoint ep;

    (void)cookie;
    if (r->call.handler.peer != NULL && sockaddr_to_endpoint(peer, &ep) == OK)
        r->call.handler.peer(r->call.handler.ctx, r->call.handler.cookie, &ep);
    p->answered(p->arg);
}

static bool was_asked_for(const struct request *r,
                          const struct warren_dht_item *item)
{
    return memcmp(item->key, r->key, sizeof(r->key)) == 0 &&
           bytes_equal(bytes_of(item->salt, item->salt_len),
                       bytes_of(r->salt, r->salt_len));
}

static bool verifies(const struct dht_provider_item *item)
{
    struct dht_item i = {.mutable_item = true,
                         .seq = item->seq,
                         .salt = item->salt,
                         .value = item->value};

    memcpy(i.key, item->key, sizeof(i.key));
    memcpy(i.signature, item->signature, sizeof(i.signature));
    return dht_item_verify(&i) == OK;
}

static void on_item(void *ctx, uint64_t cookie,
                    const struct warren_dht_item *theirs)
{
    const struct request *r = ctx;
    const struct lib_provider *p = r->call.owner;
    struct dht_provider_item item = {
        .salt = bytes_of(theirs->salt, theirs->salt_len), .seq = theirs->seq};
    struct value value;

    (void)cookie;
    if (r->call.handler.item == NULL || !was_asked_for(r, theirs) ||
        value_from_msgpack(bytes_of(theirs->value, theirs->value_len),
                           &value) != OK)
        return;
    memcpy(item.key, theirs->key, sizeof(item.key));
    memcpy(item.signature, theirs->signature, sizeof(item.signature));
    item.value = &value;
    if (!verifies(&item))
        return;
    r->call.handler.item(r->call.handler.ctx, r->call.handler.cookie, &item);
    p->answered(p->arg);
}

static void on_done(void *ctx, uint64_t cookie, int error)
{
    struct request *r = ctx;
    const struct lib_provider *p = r->call.owner;

    (void)cookie;
    provider_call_done(&r->call, lib_error_from(error));
    p->answered(p->arg);
}

/* ---- Requests ----------------------------------------------------------- */

static struct request *request_new(struct lib_provider *p,
                                   const struct dht_provider_handler *handler)
{
    return provider_call_new(&p->running, sizeof(struct request), p, handler);
}

static struct warren_dht_listener listener(struct request *r)
{
    return (struct warren_dht_listener){.ctx = r,
                                        .cookie = r->call.handler.cookie,
                                        .peer = on_peer,
                                        .item = on_item,
                                        .done = on_done};
}

static enum error started(struct request *r, int error, uint64_t *request)
{
    return provider_call_started(&r->call, lib_error_from(error), request);
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    struct lib_provider *p = ctx;
    struct request *r = request_new(p, handler);
    struct warren_dht_listener l = listener(r);

    if (r == NULL)
        return ERR_NO_MEMORY;
    return started(r,
                   p->theirs->get_peers(p->theirs->ctx, hash->b, &l,
                                        &r->call.under_way.id),
                   request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct lib_provider *p = ctx;
    struct request *r;
    struct warren_dht_listener l;

    if (salt.len > sizeof(r->salt))
        return ERR_TOO_LARGE;
    r = request_new(p, handler);
    if (r == NULL)
        return ERR_NO_MEMORY;
    memcpy(r->key, key, sizeof(r->key));
    if (salt.len > 0)
        memcpy(r->salt, salt.p, salt.len);
    r->salt_len = salt.len;
    l = listener(r);
    return started(r,
                   p->theirs->get_item(p->theirs->ctx, key, salt.p, salt.len,
                                       &l, &r->call.under_way.id),
                   request);
}

static struct warren_dht_item item_of(const struct dht_provider_item *item)
{
    struct bytes value = value_bytes(item->value);
    struct warren_dht_item theirs = {.salt = item->salt.p,
                                     .salt_len = item->salt.len,
                                     .seq = item->seq,
                                     .value = value.p,
                                     .value_len = value.len};

    memcpy(theirs.key, item->key, sizeof(theirs.key));
    memcpy(theirs.signature, item->signature, sizeof(theirs.signature));
    return theirs;
}

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct lib_provider *p = ctx;
    const struct warren_dht_item theirs = item_of(item);
    struct warren_dht_listener l;
    struct request *r;

    if (p->theirs->put_once == NULL)
        return ERR_UNSUPPORTED;
    r = request_new(p, handler);
    if (r == NULL)
        return ERR_NO_MEMORY;
    l = listener(r);
    return started(
        r,
        p->theirs->put_once(p->theirs->ctx, &theirs, &l, &r->call.under_way.id),
        request);
}

static void cancel(void *ctx, uint64_t request)
{
    struct lib_provider *p = ctx;

    if (provider_call_forget(&p->running, request))
        p->theirs->cancel(p->theirs->ctx, request);
}

/* ---- Publications ------------------------------------------------------- */

static enum error announce(void *ctx, const struct id *hash)
{
    const struct lib_provider *p = ctx;

    return lib_error_from(p->theirs->announce(p->theirs->ctx, hash->b));
}

static void withdraw(void *ctx, const struct id *hash)
{
    const struct lib_provider *p = ctx;

    p->theirs->withdraw(p->theirs->ctx, hash->b);
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    const struct lib_provider *p = ctx;
    const struct warren_dht_item theirs = item_of(item);

    return lib_error_from(p->theirs->put(p->theirs->ctx, &theirs));
}

/* ---- Life --------------------------------------------------------------- */

struct lib_provider *lib_provider_new(const struct warren_dht_provider *theirs,
                                      void (*answered)(void *arg), void *arg)
{
    struct lib_provider *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->table = (struct dht_provider){.ctx = p,
                                     .anonymous = theirs->anonymous != 0,
                                     .announce = announce,
                                     .withdraw = withdraw,
                                     .get_peers = get_peers,
                                     .put = put,
                                     .put_once = put_once,
                                     .get_item = get_item,
                                     .cancel = cancel};
    p->theirs = theirs;
    p->answered = answered;
    p->arg = arg;
    calls_init(&p->running);
    return p;
}

void lib_provider_free(struct lib_provider *p)
{
    if (p == NULL)
        return;
    while (!TAILQ_EMPTY(&p->running))
        cancel(p, TAILQ_FIRST(&p->running)->id);
    free(p);
}

const struct dht_provider *lib_provider_table(const struct lib_provider *p)
{
    return &p->table;
}
