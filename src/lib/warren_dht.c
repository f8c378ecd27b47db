/* SPDX-License-Identifier: MIT
 *
 * Requests of the program to the DHTs. Each engine numbers its own; the program
 * knows them by numbers of the library.
 *
 * The engine may answer while the program is still inside of a function of
 * ours: of the one that began the request, or of another one (who announces a
 * hash again ends the announcement before). What comes then is kept with the
 * request and told out of the loop, so that no function of the library calls
 * back before it returns.
 */
#include "dht/types/magnet.h"
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <stdlib.h>
#include <string.h>

struct warren_request {
    struct call call;
    struct warren *w;
    struct dht_host *host; /* which was asked */
    dht_request asked;     /* its number there */
    struct warren_dht_handler handler;
    struct id announced; /* with `announces`: what */
    bool announces;
    struct endpoint *kept; /* peers that are still to be told of */
    size_t kept_count, told;
    bool done; /* the engine has; the program does not know it yet */
    int error;
    struct warren_dht_result result;
};

static struct warren_request *find(struct warren *w, uint64_t id)
{
    return (struct warren_request *)(void *)call_find(&w->requests, id);
}

static void drop(struct warren_request *r)
{
    free(r->kept);
    call_end(&r->w->requests, &r->call);
}

/* ---- Telling the program ------------------------------------------------ */

static void tell_peer(const struct warren_request *r,
                      const struct endpoint *peer)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(peer, &sa);

    r->handler.peer(r->handler.arg, (struct sockaddr *)&sa, len);
}

static void tell_done(struct warren_request *r)
{
    struct warren_dht_handler handler = r->handler;
    struct warren_dht_result result = r->result;
    int error = r->error;

    /* First, so that `done` may cancel it without effect. */
    drop(r);
    if (handler.done != NULL)
        handler.done(handler.arg, error, &result);
}

/* All that was kept of one request; each call of the program may cancel it. */
static void tell_kept(struct warren *w, uint64_t id)
{
    struct warren_request *r = find(w, id);

    while (r != NULL && r->told < r->kept_count) {
        struct endpoint peer = r->kept[r->told++];

        tell_peer(r, &peer);
        r = find(w, id);
    }
    if (r != NULL && r->done)
        tell_done(r);
}

static struct warren_request *first_with_news(struct warren *w)
{
    struct call *call;

    TAILQ_FOREACH(call, &w->requests, link)
    {
        struct warren_request *r = (struct warren_request *)(void *)call;

        if (r->done || r->told < r->kept_count)
            return r;
    }
    return NULL;
}

bool warren_requests_have_news(struct warren *w)
{
    return first_with_news(w) != NULL;
}

/* A program that asks again when it hears that a request has ended may end
 * another by it, and so on: others of the loop get their turn between. */
void warren_requests_tell(struct warren *w)
{
    struct warren_request *r;
    unsigned turns = 0;
    struct call *call;

    TAILQ_FOREACH(call, &w->requests, link)
    {
        turns++;
    }
    while (turns-- > 0 && (r = first_with_news(w)) != NULL)
        tell_kept(w, r->call.id);
}

void warren_requests_end(struct warren *w)
{
    struct warren_request *r;

    while ((r = (struct warren_request *)(void *)TAILQ_FIRST(&w->requests)) !=
           NULL) {
        if (!r->done) {
            dht_cancel(dht_host_engine(r->host), r->asked);
            r->error = WARREN_ERR_CANCELLED;
        }
        tell_done(r);
    }
}

/* ---- News of the engine ------------------------------------------------- */

/* False when there is no memory, which the request then ends with. */
static bool keep(struct warren_request *r, const struct endpoint *peer)
{
    struct endpoint *kept =
        realloc(r->kept, (r->kept_count + 1) * sizeof(*kept));

    if (kept == NULL)
        return false;
    r->kept = kept;
    r->kept[r->kept_count++] = *peer;
    return true;
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct warren_request *r = ctx;
    const struct warren *w = r->w;

    (void)found_by;
    if (r->handler.peer == NULL)
        return;
    if (w->inside == 0 && r->told == r->kept_count)
        tell_peer(r, peer);
    else if (!keep(r, peer))
        r->error = WARREN_ERR_NO_MEMORY;
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct warren_request *r = ctx;
    struct warren *w = r->w;

    r->done = true;
    if (r->error == WARREN_OK)
        r->error = lib_error_of(result->error);
    r->result = (struct warren_dht_result){.asked = result->asked,
                                           .answered = result->answered,
                                           .hops = result->hops,
                                           .peers = result->values,
                                           .stored = result->stored,
                                           .scraped = result->scraped,
                                           .seeds = result->seeds,
                                           .downloaders = result->downloaders,
                                           .duration = result->duration};
    r->result.kept = r->announces &&
                     dht_host_keeps(r->host, false, &r->announced);
    if (w->inside == 0)
        tell_kept(w, r->call.id);
}

/* ---- Requests ----------------------------------------------------------- */

static struct id hash_of(const uint8_t hash[20])
{
    struct id id;

    _Static_assert(sizeof(id) == 20, "of one length");
    memcpy(&id, hash, sizeof(id));
    return id;
}

/* WARREN_OK: the node is in it. */
static int find_host(const struct warren *w, enum warren_dht dht,
                     struct dht_host **out)
{
    struct dht_host *hosts[] = {[WARREN_DHT_BUILT_IN] = w->node->dht,
                                [WARREN_DHT_MAINLINE] = w->node->mainline};

    if ((unsigned)dht >= sizeof(hosts) / sizeof(hosts[0]))
        return WARREN_ERR_ARGUMENT;
    if (hosts[dht] == NULL)
        return WARREN_ERR_UNSUPPORTED;
    *out = hosts[dht];
    return WARREN_OK;
}

/* What the engine is asked. */
typedef enum error ask_fn(struct dht_host *host, const struct id *hash,
                          uint16_t port, const struct dht_handler *h,
                          dht_request *id);

static enum error announce(struct dht_host *host, const struct id *hash,
                           uint16_t port, const struct dht_handler *h,
                           dht_request *id)
{
    return dht_host_announce(host, hash, port, port == 0, h, id);
}

static enum error announce_seed(struct dht_host *host, const struct id *hash,
                                uint16_t port, const struct dht_handler *h,
                                dht_request *id)
{
    return dht_host_announce_seed(host, hash, port, port == 0, h, id);
}

static enum error get_peers(struct dht_host *host, const struct id *hash,
                            uint16_t port, const struct dht_handler *h,
                            dht_request *id)
{
    (void)port;
    return dht_get_peers(dht_host_engine(host), hash, h, clock_now(), id);
}

static enum error get_downloaders(struct dht_host *host, const struct id *hash,
                                  uint16_t port, const struct dht_handler *h,
                                  dht_request *id)
{
    (void)port;
    return dht_get_downloaders(dht_host_engine(host), hash, h, clock_now(), id);
}

static enum error scrape(struct dht_host *host, const struct id *hash,
                         uint16_t port, const struct dht_handler *h,
                         dht_request *id)
{
    (void)port;
    return dht_scrape(dht_host_engine(host), hash, h, clock_now(), id);
}

static int ask(struct warren *w, enum warren_dht dht, ask_fn *what,
               const uint8_t hash[20], uint16_t port,
               const struct warren_dht_handler *handler, uint64_t *request)
{
    struct warren_request *r;
    struct dht_handler h = {.peer = on_peer, .done = on_done};
    struct id id = hash_of(hash);
    struct dht_host *host;
    int err = find_host(w, dht, &host);
    enum error e;

    if (err == WARREN_OK && w->ending)
        err = WARREN_ERR_CANCELLED;
    if (err != WARREN_OK)
        return err;
    r = call_new(&w->requests, sizeof(*r));
    if (r == NULL)
        return WARREN_ERR_NO_MEMORY;
    r->w = w;
    r->host = host;
    r->call.id = ++w->last_request;
    r->announced = id;
    r->announces = what == announce || what == announce_seed;
    if (handler != NULL)
        r->handler = *handler;
    h.ctx = r;
    warren_enter(w);
    e = what(host, &id, port, &h, &r->asked);
    dht_host_rearm(host);
    if (e == OK && request != NULL)
        *request = r->call.id;
    if (e != OK)
        free(r->kept);
    call_started(&w->requests, &r->call, e == OK);
    warren_leave(w);
    return lib_error_of(e);
}

/* ---- The interface ------------------------------------------------------ */

int warren_dht_get_peers_in(struct warren *w, enum warren_dht dht,
                            const uint8_t hash[20], unsigned flags,
                            const struct warren_dht_handler *handler,
                            uint64_t *request)
{
    if ((flags & ~(unsigned)WARREN_DHT_NO_SEEDS) != 0)
        return WARREN_ERR_ARGUMENT;
    return ask(w, dht, flags == 0 ? get_peers : get_downloaders, hash, 0,
               handler, request);
}

int warren_dht_scrape_in(struct warren *w, enum warren_dht dht,
                         const uint8_t hash[20],
                         const struct warren_dht_handler *handler,
                         uint64_t *request)
{
    return ask(w, dht, scrape, hash, 0, handler, request);
}

int warren_dht_announce_in(struct warren *w, enum warren_dht dht,
                           const uint8_t hash[20], uint16_t port,
                           unsigned flags,
                           const struct warren_dht_handler *handler,
                           uint64_t *request)
{
    if ((flags & ~(unsigned)WARREN_DHT_SEED) != 0)
        return WARREN_ERR_ARGUMENT;
    return ask(w, dht, flags == 0 ? announce : announce_seed, hash, port,
               handler, request);
}

int warren_dht_withdraw_in(struct warren *w, enum warren_dht dht,
                           const uint8_t hash[20])
{
    struct id id = hash_of(hash);
    struct dht_host *host;
    int err = find_host(w, dht, &host);
    bool comes_back;
    enum error e;

    if (err != WARREN_OK)
        return err;
    warren_enter(w);
    e = dht_host_withdraw(host, &id);
    comes_back = dht_host_comes_back(host, &id);
    dht_host_rearm(host);
    warren_leave(w);
    return comes_back ? WARREN_ERR_NOT_KEPT : lib_error_of(e);
}

int warren_dht_get_peers(struct warren *w, const uint8_t hash[20],
                         const struct warren_dht_handler *handler,
                         uint64_t *request)
{
    return warren_dht_get_peers_in(w, WARREN_DHT_BUILT_IN, hash, 0, handler,
                                   request);
}

int warren_dht_announce(struct warren *w, const uint8_t hash[20], uint16_t port,
                        const struct warren_dht_handler *handler,
                        uint64_t *request)
{
    return warren_dht_announce_in(w, WARREN_DHT_BUILT_IN, hash, port, 0,
                                  handler, request);
}

int warren_dht_withdraw(struct warren *w, const uint8_t hash[20])
{
    return warren_dht_withdraw_in(w, WARREN_DHT_BUILT_IN, hash);
}

int warren_magnet_hash(const char *link, uint8_t hash[20])
{
    struct id id;

    if (info_hash_parse(bytes_of_text(link), &id, NULL) != OK)
        return WARREN_ERR_ARGUMENT;
    memcpy(hash, id.b, sizeof(id));
    return WARREN_OK;
}

void warren_dht_cancel(struct warren *w, uint64_t request)
{
    struct warren_request *r = find(w, request);

    if (r == NULL)
        return;
    warren_enter(w);
    if (!r->done)
        dht_cancel(dht_host_engine(r->host), r->asked);
    dht_host_rearm(r->host);
    drop(r);
    warren_leave(w);
}
