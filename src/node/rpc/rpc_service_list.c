/* SPDX-License-Identifier: MIT
 *
 * What there is of services, and how they do: those of this node, those of
 * others that it reaches, and peers.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/service_call.h"
#include "tunnel/record/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX  1024 /* services, peers */
#define WHY_LIMIT 1024

static struct service_host *host(const struct rpc *rpc)
{
    return rpc->node->services;
}

static const char *kind_name(enum service_kind kind)
{
    static const char *const names[] = {[SERVICE_KEY] = "key",
                                        [SERVICE_REMOTE] = "remote",
                                        [SERVICE_STRING] = "string"};

    return names[kind];
}

static void write_nil(struct mp_writer *w, const char *key)
{
    mp_write_text(w, key);
    mp_write_nil(w);
}

/* Seconds since; nil for 0, which is never. */
static void write_age(struct mp_writer *w, const char *key, uint64_t at,
                      uint64_t now)
{
    if (at == 0)
        write_nil(w, key);
    else
        rpc_write_uint(w, key, time_since(at, now) / TIME_S);
}

static void write_address(const struct rpc *rpc, struct mp_writer *w,
                          const struct service_status *s)
{
    char text[ADDRESS_TEXT_SIZE];

    if (s->kind == SERVICE_STRING)
        write_nil(w, "address");
    else
        rpc_write_text(
            w, "address",
            address_print(rpc->node->config.dht.network, s->key, text));
}

#define SUMMARY_PAIRS 10

/* `name` NULL: a service without one. */
static void write_summary(const struct rpc *rpc, struct mp_writer *w,
                          const char *name, const struct service_status *s)
{
    if (name != NULL)
        rpc_write_text(w, "name", name);
    else
        write_nil(w, "name");
    rpc_write_text(w, "kind", kind_name(s->kind));
    write_address(rpc, w, s);
    rpc_write_text(w, "state", service_problem_name(s->problem));
    rpc_write_text(w, "text", service_problem_text(s->problem));
    rpc_write_uint(w, "hops", s->hops);
    rpc_write_uint(w, "points", s->points);
    rpc_write_uint(w, "points_wanted", s->points_wanted);
    rpc_write_uint(w, "peers", s->peers);
    rpc_write_bool(w, "runs", true);
}

/* One that does not run; `why` is for people. */
static void write_stopped(struct mp_writer *w, const struct hosted *s)
{
    rpc_write_text(w, "name", s->name);
    rpc_write_text(w, "kind", s->config.string[0] == '\0' ? "key" : "string");
    write_nil(w, "address");
    rpc_write_text(w, "state", error_name(s->trouble));
    rpc_write_text(w, "text", s->why);
    rpc_write_uint(w, "hops", s->config.hops);
    rpc_write_uint(w, "points", 0);
    rpc_write_uint(w, "points_wanted", s->config.points);
    rpc_write_uint(w, "peers", 0);
    rpc_write_bool(w, "runs", false);
}

/* ---- list --------------------------------------------------------------- */

static void write_hosted(const struct rpc *rpc, struct mp_writer *w,
                         const struct hosted *s, uint64_t now)
{
    struct service_status status;

    mp_write_map(w, SUMMARY_PAIRS);
    if (s->id != 0 && service_get_status(service_host_engine(host(rpc)), s->id,
                                         now, &status) == OK)
        write_summary(rpc, w, s->name, &status);
    else
        write_stopped(w, s);
}

/* Services without a name: others that are reached, strings of a client. */
static unsigned find_others(const struct rpc *rpc, uint32_t *ids, unsigned max)
{
    unsigned count = services_list(service_host_engine(host(rpc)), ids, max);
    unsigned others = 0;

    for (unsigned i = 0; i < count && i < max; i++)
        if (service_host_by_id(host(rpc), ids[i]) == NULL)
            ids[others++] = ids[i];
    return others;
}

void rpc_service_list(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct services *engine = rpc_services(rpc, call);
    uint64_t now = clock_now();
    uint32_t ids[LIST_MAX];
    struct service_status s;
    struct mp_writer *w;
    unsigned others;

    (void)params;
    if (engine == NULL)
        return;
    others = find_others(rpc, ids, LIST_MAX);
    w = control_reply(call);
    mp_write_map(w, 1);
    mp_write_text(w, "services");
    mp_write_array(w, service_host_count(host(rpc)) + others);
    for (unsigned i = 0; i < service_host_count(host(rpc)); i++)
        write_hosted(rpc, w, service_host_at(host(rpc), i), now);
    for (unsigned i = 0; i < others; i++) {
        s = (struct service_status){.id = ids[i]};
        service_get_status(engine, ids[i], now, &s);
        mp_write_map(w, SUMMARY_PAIRS);
        write_summary(rpc, w, NULL, &s);
    }
    control_finish(call);
}

/* ---- show --------------------------------------------------------------- */

static void write_points(struct mp_writer *w, struct services *engine,
                         uint32_t id, uint64_t now)
{
    struct service_point_status points[4 * SERVICE_POINTS_MAX];
    unsigned max = sizeof(points) / sizeof(points[0]);
    unsigned count = service_points(engine, id, points, max);

    count = count < max ? count : max;
    mp_write_text(w, "introduction");
    mp_write_array(w, count);
    for (unsigned i = 0; i < count; i++) {
        const struct service_point_status *p = &points[i];

        mp_write_map(w, 5);
        rpc_write_hex(w, "relay", bytes_of(p->relay.identity, 32));
        rpc_write_endpoint(w, "address", &p->relay.ep);
        rpc_write_bool(w, "established", p->established);
        write_age(w, "age", p->since, now);
        rpc_write_uint(w, "introductions", p->introductions);
    }
}

static void write_introductions(struct mp_writer *w,
                                const struct service_status *s)
{
    mp_write_text(w, "introductions");
    mp_write_map(w, INTRODUCTION_RESULTS);
    for (int r = 0; r < INTRODUCTION_RESULTS; r++)
        rpc_write_uint(w, introduction_result_name((enum introduction_result)r),
                       s->introductions[r]);
}

/* Strings and labels of the key file; of the ports what the section says. */
static void write_settings(const struct rpc *rpc, struct mp_writer *w,
                           const struct hosted *s)
{
    char text[CONFIG_PORT_TEXT];
    struct key_file key = {.string_len = 0};
    struct text why;

    text_init(&why, WHY_LIMIT);
    key_file_read(rpc->node->config.data_dir, s->name, &key, &why);
    text_deinit(&why);
    mp_write_text(w, "string");
    if (key.string_len > 0)
        mp_write_bin(w, bytes_of(key.string, key.string_len));
    else
        mp_write_nil(w);
    mp_write_text(w, "access");
    mp_write_array(w, key.access_count);
    for (unsigned i = 0; i < key.access_count; i++)
        mp_write_text(w, key.access[i].label);
    key_file_wipe(&key);
    mp_write_text(w, "ports");
    mp_write_array(w, s->config.ports.count);
    for (unsigned i = 0; i < s->config.ports.count; i++)
        mp_write_text(w, config_port_print(&s->config.ports.at[i], text));
    rpc_write_bool(w, "has_section", s->has_section);
}

#define SETTING_PAIRS 4
#define STATUS_PAIRS  16

static void write_status(struct mp_writer *w, struct services *engine,
                         const struct service_status *s, uint64_t now)
{
    rpc_write_bool(w, "published", s->published);
    rpc_write_bool(w, "verified", s->verified);
    rpc_write_bool(w, "reachable", s->reachable);
    write_age(w, "published_age", s->published_at, now);
    write_age(w, "verified_age", s->verified_at, now);
    write_age(w, "probed_age", s->probed_at, now);
    rpc_write_uint(w, "queued", s->queued);
    rpc_write_uint(w, "effort", s->effort);
    rpc_write_uint(w, "members", s->members);
    mp_write_text(w, "size");
    mp_write_double(w, s->size);
    mp_write_text(w, "spread");
    mp_write_double(w, s->spread);
    rpc_write_uint(w, "connects", s->connects);
    rpc_write_uint(w, "connect_failures", s->connect_failures);
    rpc_write_uint(w, "resumed", s->resumed);
    write_points(w, engine, s->id, now);
    write_introductions(w, s);
}

void rpc_service_show(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct services *engine = rpc_services(rpc, call);
    const struct hosted *s;
    struct service_status status;
    uint64_t now = clock_now();
    struct mp_writer *w;
    bool runs;

    if (engine == NULL)
        return;
    s = service_host_find(host(rpc), params->name);
    if (s == NULL) {
        rpc_no_service(call, params->name);
        return;
    }
    runs = s->id != 0 && service_get_status(engine, s->id, now, &status) == OK;
    w = control_reply(call);
    mp_write_map(w, SUMMARY_PAIRS + SETTING_PAIRS + (runs ? STATUS_PAIRS : 0));
    if (runs)
        write_summary(rpc, w, s->name, &status);
    else
        write_stopped(w, s);
    write_settings(rpc, w, s);
    if (runs)
        write_status(w, engine, &status, now);
    control_finish(call);
}

/* ---- peers -------------------------------------------------------------- */

static void write_path(struct mp_writer *w, const struct service_peer_status *p)
{
    char text[ENDPOINT_TEXT_SIZE];

    mp_write_text(w, "path");
    mp_write_array(w, p->path_length);
    for (unsigned i = 0; i < p->path_length; i++)
        mp_write_text(w, endpoint_print(&p->path[i], text));
}

static void write_peer(const struct rpc *rpc, struct mp_writer *w,
                       const struct service_peer_status *p, uint64_t now)
{
    const struct hosted *s = service_host_by_id(host(rpc), p->service);
    char text[SERVICE_PEER_TEXT];

    mp_write_map(w, 9);
    rpc_write_text(w, "peer", service_peer_text(p->id, text));
    if (s != NULL)
        rpc_write_text(w, "service", s->name);
    else
        write_nil(w, "service");
    if (p->has_key)
        rpc_write_hex(w, "key", bytes_of(p->key, sizeof(p->key)));
    else
        write_nil(w, "key");
    rpc_write_bool(w, "opened", p->opened);
    rpc_write_bool(w, "gap", p->gap);
    write_age(w, "age", p->since, now);
    rpc_write_uint(w, "sent", p->sent);
    rpc_write_uint(w, "received", p->received);
    write_path(w, p);
}

/* Of one service, or of all; how many. */
static unsigned find_peers(const struct rpc *rpc, uint32_t id,
                           struct service_peer_status *out)
{
    struct services *engine = service_host_engine(host(rpc));
    uint32_t ids[LIST_MAX];
    unsigned count, found = 0;

    if (id != 0) {
        found = service_peers(engine, id, out, LIST_MAX);
        return found < LIST_MAX ? found : LIST_MAX;
    }
    count = services_list(engine, ids, LIST_MAX);
    for (unsigned i = 0; i < count && i < LIST_MAX && found < LIST_MAX; i++) {
        unsigned more =
            service_peers(engine, ids[i], out + found, LIST_MAX - found);

        found += more < LIST_MAX - found ? more : LIST_MAX - found;
    }
    return found;
}

void rpc_service_peers(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct service_peer_status *peers;
    const struct hosted *s = NULL;
    uint64_t now = clock_now();
    struct mp_writer *w;
    unsigned count;

    if (rpc_services(rpc, call) == NULL)
        return;
    if ((params->has & RPC_NAME) != 0) {
        s = service_host_find(host(rpc), params->name);
        if (s == NULL || s->id == 0) {
            rpc_no_service(call, params->name);
            return;
        }
    }
    peers = calloc(LIST_MAX, sizeof(*peers));
    if (peers == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return;
    }
    count = find_peers(rpc, s == NULL ? 0 : s->id, peers);
    w = control_reply(call);
    mp_write_map(w, 1);
    mp_write_text(w, "peers");
    mp_write_array(w, count);
    for (unsigned i = 0; i < count; i++)
        write_peer(rpc, w, &peers[i], now);
    control_finish(call);
    free(peers);
}
