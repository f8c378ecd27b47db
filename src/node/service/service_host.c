/* SPDX-License-Identifier: MIT
 *
 * From the top: what the engine tells and asks (its env); how a service
 * starts, follows its settings and stops; those of others; listeners; life.
 *
 * The engine may remember points of a service before service_serve has
 * returned its number: `starting` is that service meanwhile.
 */
#include "node/service/service_host_internal.h"

#include "node/config/config_keys.h"
#include "node/os/clock.h"
#include "node/service/service_memory.h"
#include "store/store.h"
#include "store/store_service.h"
#include "tunnel/record/address.h"
#include "tunnel/record/period.h"
#include "tunnel/traffic/carrier.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Finding ------------------------------------------------------------ */

static struct hosted *find(const struct service_host *h, const char *name)
{
    for (unsigned i = 0; i < h->count; i++)
        if (strcmp(h->hosted[i]->name, name) == 0)
            return h->hosted[i];
    return NULL;
}

static struct hosted *find_id(const struct service_host *h, uint32_t id)
{
    for (unsigned i = 0; i < h->count; i++)
        if (h->hosted[i]->id == id && id != 0)
            return h->hosted[i];
    return NULL;
}

unsigned service_host_count(const struct service_host *h)
{
    return h->count;
}

const struct hosted *service_host_at(const struct service_host *h, unsigned i)
{
    return h->hosted[i];
}

const struct hosted *service_host_find(const struct service_host *h,
                                       const char *name)
{
    return find(h, name);
}

const struct hosted *service_host_by_id(const struct service_host *h,
                                        uint32_t id)
{
    return find_id(h, id);
}

struct services *service_host_engine(const struct service_host *h)
{
    return h->engine;
}

void service_host_rearm(struct service_host *h)
{
    if (h->world.rearm != NULL)
        h->world.rearm(h->world.arg);
}

const struct service_host_counters *
service_host_counters(const struct service_host *h)
{
    return &h->counters;
}

const struct local_counters *service_host_ports(const struct service_host *h)
{
    return local_ports_counters(h->ports);
}

/* ---- Memory ------------------------------------------------------------- */

/* The name that rows of a service stand under; NULL: none are kept. */
static const char *name_of(const struct service_host *h, uint32_t id)
{
    const struct hosted *s = find_id(h, id);

    if (s == NULL)
        s = h->starting;
    return s == NULL ? NULL : s->name;
}

static void count_failure(struct service_host *h, enum error err)
{
    h->counters.not_remembered += err != OK;
}

/* Others have heard of points and seqs: a service that is killed must have them
 * again, so they wait for the end of this turn only. */
static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct service_host *h = arg;

    (void)fd, (void)what;
    store_flush(h->world.store, (int64_t)clock_wall());
}

static void flush_soon(struct service_host *h)
{
    event_active(h->flush, EV_TIMEOUT, 0);
}

static void on_remember_point(void *ctx, uint32_t service,
                              const struct service_point_row *row)
{
    struct service_host *h = ctx;
    const char *name = name_of(h, service);

    if (name != NULL)
        count_failure(h, service_memory_point(h->world.store, name, row));
    flush_soon(h);
}

static void on_forget_point(void *ctx, uint32_t service,
                            const uint8_t relay[32])
{
    struct service_host *h = ctx;
    const char *name = name_of(h, service);

    if (name != NULL)
        count_failure(h,
                      store_remove_service_point(h->world.store, name, relay));
}

static void on_remember_seq(void *ctx, uint32_t service,
                            const struct service_seq_row *row)
{
    struct service_host *h = ctx;
    const char *name = name_of(h, service);

    if (name != NULL)
        count_failure(h, service_memory_seq(h->world.store, name, row));
    flush_soon(h);
}

static void on_remember_third(void *ctx, uint32_t service,
                              const struct vanguard_set *set)
{
    struct service_host *h = ctx;
    const char *name = name_of(h, service);

    if (name != NULL)
        count_failure(h, service_memory_vanguards(h->world.store, name, set));
}

static void on_remember_layer2(void *ctx, const struct vanguard_set *set)
{
    struct service_host *h = ctx;

    count_failure(h, service_memory_vanguards(h->world.store, "", set));
}

void service_host_layer2(struct service_host *h, struct vanguard_set *out)
{
    service_memory_layer2(h->world.store, out);
}

/* ---- Work --------------------------------------------------------------- */

static void on_solved(void *arg, uint64_t id, bool found,
                      const struct work_proof *proof)
{
    struct service_host *h = arg;

    services_solved(h->engine, id, found, proof, clock_now());
    service_host_rearm(h);
}

static void on_refuse(evutil_socket_t fd, short what, void *arg)
{
    struct service_host *h = arg;

    (void)fd, (void)what;
    while (h->unsolved_count > 0)
        services_solved(h->engine, h->unsolved[--h->unsolved_count], false,
                        NULL, clock_now());
    service_host_rearm(h);
}

/* One that no thread can be had for fails, but not from within. */
static void on_solve(void *ctx, uint64_t id, const struct work_task *task,
                     uint64_t budget)
{
    struct service_host *h = ctx;

    if (solver_add(h->solver, id, task, budget) == OK)
        return;
    h->counters.not_solved++;
    if (h->unsolved_count == SOLVER_TASKS)
        return; /* its connection has a time-out of its own */
    h->unsolved[h->unsolved_count++] = id;
    event_active(h->refuse, EV_TIMEOUT, 0);
}

/* ---- Local ports -------------------------------------------------------- */

static void on_answer(void *arg, uint64_t peer, uint16_t port,
                      struct bytes payload)
{
    struct service_host *h = arg;

    if (service_peer_send(h->engine, peer, port, payload, clock_now()) != OK)
        h->counters.not_sent++;
}

static void on_answers_end(void *arg)
{
    service_host_rearm(arg);
}

static void say_not_delivered(struct service_host *h, const struct hosted *s,
                              uint16_t port, enum error err)
{
    enum local_drop why = err == ERR_FULL          ? LOCAL_DROP_FULL
                          : err == ERR_UNREACHABLE ? LOCAL_DROP_REFUSED
                                                   : LOCAL_DROP_SYSTEM;

    if (err != ERR_NO_SPACE && err != ERR_TOO_LARGE)
        log_warn(h->world.log,
                 "service %s: a datagram for port %u was lost: %s", s->name,
                 port, local_drop_text(why));
}

static void to_port(struct service_host *h, const struct hosted *s,
                    const struct service_event *e)
{
    const struct config_ports *ports = &s->config.ports;
    enum error err;

    for (unsigned i = 0; i < ports->count; i++) {
        if (ports->at[i].port != e->port || ports->at[i].is_tcp)
            continue;
        err = local_ports_send(h->ports, e->peer, &ports->at[i], e->payload,
                               clock_now());
        if (err != OK)
            say_not_delivered(h, s, e->port, err);
        return;
    }
    h->counters.no_port += ports->count > 0;
}

static void on_refused(void *arg, uint64_t peer, uint16_t port)
{
    struct service_host *h = arg;
    const struct hosted *s = find_id(h, service_of_peer(h->engine, peer));

    if (s != NULL)
        say_not_delivered(h, s, port, ERR_UNREACHABLE);
}

/* ---- Events ------------------------------------------------------------- */

static void say_state(struct service_host *h, const struct hosted *s)
{
    struct service_status status;
    char address[ADDRESS_TEXT_SIZE] = "";

    if (s->problem == SERVICE_STARTING)
        return;
    if (s->problem != SERVICE_FINE) {
        log_warn(h->world.log, "service %s: %s", s->name,
                 service_problem_text(s->problem));
        return;
    }
    if (service_get_status(h->engine, s->id, clock_now(), &status) != OK)
        return;
    if (status.kind == SERVICE_KEY)
        address_print(h->network, status.key, address);
    log_info(h->world.log, "service %s can be reached%s%s", s->name,
             address[0] == '\0' ? "" : " at ", address);
}

static void on_state(struct service_host *h, struct hosted *s,
                     enum service_problem problem)
{
    if (s->problem == problem)
        return;
    s->problem = problem;
    s->problem_since = clock_now();
    say_state(h, s);
}

/* Streams first: who hears of those may end services and their listeners. */
static void on_event(void *ctx, const struct service_event *e)
{
    struct service_host *h = ctx;
    struct walk walk = {.outer = h->walks};
    struct hosted *s;

    if (h->carrier != NULL)
        carrier_service_event(h->carrier, e, clock_now());
    walk.next = h->listeners;
    s = find_id(h, e->service);
    if (s != NULL && e->kind == SERVICE_EVENT_STATE)
        on_state(h, s, e->problem);
    if (s != NULL && e->kind == SERVICE_EVENT_DATA)
        to_port(h, s, e);
    if (e->kind == SERVICE_EVENT_GONE)
        local_ports_close_peer(h->ports, e->peer);
    h->walks = &walk;
    while (walk.next != NULL) {
        struct service_listener *l = walk.next;

        walk.next = l->next;
        if (l->service == 0 || l->service == e->service)
            l->event(l->arg, e);
    }
    h->walks = walk.outer;
}

static void on_packet(void *ctx, uint64_t peer, bool to_acceptor,
                      struct bytes packet, uint64_t now)
{
    struct service_host *h = ctx;

    if (h->carrier != NULL)
        carrier_peer_packet(h->carrier, peer, to_acceptor, packet, now);
}

void service_host_carry(struct service_host *h, struct carrier *carrier)
{
    h->carrier = carrier;
}

void service_host_listen(struct service_host *h, struct service_listener *l)
{
    l->next = h->listeners;
    l->link = &h->listeners;
    if (l->next != NULL)
        l->next->link = &l->next;
    h->listeners = l;
}

void service_host_unlisten(struct service_host *h, struct service_listener *l)
{
    if (l->link == NULL)
        return;
    for (struct walk *w = h->walks; w != NULL; w = w->outer)
        if (w->next == l)
            w->next = l->next;
    *l->link = l->next;
    if (l->next != NULL)
        l->next->link = l->link;
    l->link = NULL;
}

void service_host_env(struct service_host *h, struct service_world *env)
{
    *env = (struct service_world){.ctx = h,
                                  .event = on_event,
                                  .packet = on_packet,
                                  .remember_point = on_remember_point,
                                  .forget_point = on_forget_point,
                                  .remember_seq = on_remember_seq,
                                  .remember_third = on_remember_third,
                                  .remember_layer2 = on_remember_layer2,
                                  .solve = on_solve};
}

/* ---- Starting ----------------------------------------------------------- */

static const struct config_service *section_of(const struct service_host *h,
                                               const char *name)
{
    for (unsigned i = 0; i < h->sections->count; i++)
        if (strcmp(h->sections->at[i].name, name) == 0)
            return &h->sections->at[i];
    return NULL;
}

/* One of a program has its settings from there. */
static void set_config(struct service_host *h, struct hosted *s)
{
    const struct config_service *section = section_of(h, s->name);

    if (s->program != NULL)
        return;
    s->has_section = section != NULL;
    if (section != NULL)
        s->config = *section;
    else
        config_service_init(&s->config);
    memcpy(s->config.name, s->name, sizeof(s->config.name));
}

/* The key of a service: read, or made for a section that has none yet. */
static enum error take_key(struct service_host *h, const struct hosted *s,
                           struct key_file *key, struct text *why)
{
    struct bytes string = bytes_of_text(s->config.string);
    size_t before = why->len;
    enum error err = key_file_read(h->world.data_dir, s->name, key, why);

    if (err == ERR_NOT_FOUND && s->has_section) {
        text_cut(why, before);
        key_file_make(key, string);
        err = key_file_create(h->world.data_dir, s->name, key, why);
        if (err != OK)
            key_file_wipe(key);
    }
    if (err != OK || string.len == 0 ||
        bytes_equal(string, bytes_of(key->string, key->string_len)))
        return err;
    text_addf(why,
              "the section says string = %s, but services/%s.key is %s; name "
              "the section otherwise, or `warren service remove %s` first",
              s->config.string, s->name,
              key->string_len == 0 ? "of a service with an address"
                                   : "of another string",
              s->name);
    key_file_wipe(key);
    return ERR_IN_USE;
}

struct access_list {
    uint8_t secrets[SERVICE_ACCESS_MAX][32];
};

static struct service_options options_of(const struct hosted *s,
                                         const struct key_file *key,
                                         struct access_list *access)
{
    const struct service_program *program = s->program;
    unsigned count = key->access_count;
    bool more = program != NULL && program->has_access;

    for (unsigned i = 0; i < count; i++) {
        memcpy(access->secrets[i], key->access[i].secret, 32);
        more = more &&
               sodium_memcmp(key->access[i].secret, program->access, 32) != 0;
    }
    if (more && count < SERVICE_ACCESS_MAX)
        memcpy(access->secrets[count++], program->access, 32);
    return (struct service_options){.hops = s->config.hops,
                                    .points = s->config.points,
                                    .max_peers = s->config.max_peers,
                                    .access =
                                        (const uint8_t(*)[32])access->secrets,
                                    .access_count = count};
}

static enum error call_engine(struct service_host *h, struct hosted *s,
                              const struct key_file *key, uint64_t now)
{
    struct service_remembered *r = malloc(sizeof(*r));
    struct access_list access;
    struct service_options options = options_of(s, key, &access);
    enum error err;

    if (r == NULL) {
        sodium_memzero(&access, sizeof(access));
        return ERR_NO_MEMORY;
    }
    service_memory_load(h->world.store, s->name, r);
    h->starting = s;
    if (key->string_len > 0)
        err = service_join(h->engine, bytes_of(key->string, key->string_len),
                           key->secret, &options, &r->memory, now, &s->id);
    else
        err = service_serve(h->engine, key->secret, &options, &r->memory, now,
                            &s->id);
    h->starting = NULL;
    sodium_memzero(&access, sizeof(access));
    sodium_memzero(r, sizeof(*r));
    free(r);
    return err;
}

static const char *engine_error(enum error err)
{
    if (err == ERR_FULL)
        return "there are as many services as max_services in [services] "
               "allows";
    if (err == ERR_IN_USE)
        return "another service has the same key or string";
    return error_text(err);
}

/* Starts it with the settings that it has; `why` as it is kept. */
void hosted_start(struct service_host *h, struct hosted *s, uint64_t now)
{
    struct key_file key;
    struct text why;

    text_init(&why, sizeof(s->why) - 1);
    s->id = 0;
    s->problem = SERVICE_STARTING;
    s->problem_since = now;
    s->trouble = take_key(h, s, &key, &why);
    if (s->trouble == OK) {
        s->by_itself = key.by_itself;
        s->trouble = call_engine(h, s, &key, now);
        if (s->trouble != OK)
            text_add(&why, engine_error(s->trouble));
        key_file_wipe(&key);
    }
    snprintf(s->why, sizeof(s->why), "%s", text_get(&why));
    text_deinit(&why);
    if (s->trouble != OK)
        log_error(h->world.log, "service %s does not run: %s", s->name, s->why);
}

static void close_ports(struct service_host *h, uint32_t id,
                        const struct config_ports *keep)
{
    unsigned count = service_peers(h->engine, id, NULL, 0);
    struct service_peer_status *peers =
        count == 0 ? NULL : calloc(count, sizeof(*peers));

    if (peers == NULL)
        return;
    count = service_peers(h->engine, id, peers, count);
    for (unsigned i = 0; i < count; i++)
        local_ports_keep(h->ports, peers[i].id, keep);
    free(peers);
}

void hosted_stop(struct service_host *h, struct hosted *s, bool withdraw,
                 uint64_t now)
{
    const struct config_ports none = {.count = 0};
    uint32_t id = s->id;

    if (id == 0)
        return;
    close_ports(h, id, &none);
    s->id = 0;
    service_leave(h->engine, id, withdraw, now);
}

struct hosted *hosted_add(struct service_host *h, const char *name)
{
    struct hosted *s;

    if (h->count == HOSTED_MAX) {
        log_error(h->world.log,
                  "service %s does not run: there are %d services, and no "
                  "more can be",
                  name, HOSTED_MAX);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    snprintf(s->name, sizeof(s->name), "%s", name);
    h->hosted[h->count++] = s;
    set_config(h, s);
    return s;
}

void hosted_drop(struct service_host *h, struct hosted *s)
{
    unsigned i = 0;

    while (h->hosted[i] != s)
        i++;
    for (h->count--; i < h->count; i++)
        h->hosted[i] = h->hosted[i + 1];
    if (s->program != NULL)
        sodium_memzero(s->program, sizeof(*s->program));
    free(s->program);
    free(s);
}

/* Key files that need no section. One that cannot be read is named, too: it may
 * be of such a service. */
static void add_key_files(struct service_host *h)
{
    char names[HOSTED_MAX][SERVICE_NAME_SIZE];
    unsigned count = key_file_list(h->world.data_dir, names, HOSTED_MAX);

    for (unsigned i = 0; i < count && i < HOSTED_MAX; i++) {
        struct key_file key = {.by_itself = true};
        struct hosted *s;
        struct text why;

        if (find(h, names[i]) != NULL)
            continue;
        text_init(&why, 512);
        key_file_read(h->world.data_dir, names[i], &key, &why);
        s = key.by_itself ? hosted_add(h, names[i]) : NULL;
        if (s != NULL)
            s->by_itself = true; /* for when its file can be read */
        key_file_wipe(&key);
        text_deinit(&why);
    }
}

static void add_sections(struct service_host *h)
{
    for (unsigned i = 0; i < h->sections->count; i++)
        if (find(h, h->sections->at[i].name) == NULL)
            hosted_add(h, h->sections->at[i].name);
}

void service_host_start(struct service_host *h, struct services *engine,
                        uint64_t now)
{
    h->engine = engine;
    add_sections(h);
    add_key_files(h);
    for (unsigned i = 0; i < h->count; i++)
        hosted_start(h, h->hosted[i], now);
}

/* ---- Following the settings --------------------------------------------- */

static enum error reconfigure(struct service_host *h, struct hosted *s,
                              uint64_t now)
{
    struct access_list access;
    struct service_options options;
    struct key_file key;
    struct text why;
    enum error err;

    text_init(&why, sizeof(s->why) - 1);
    err = key_file_read(h->world.data_dir, s->name, &key, &why);
    if (err == OK) {
        options = options_of(s, &key, &access);
        err = service_reconfigure(h->engine, s->id, &options, now);
        sodium_memzero(&access, sizeof(access));
        key_file_wipe(&key);
    }
    text_deinit(&why);
    return err;
}

/* Ports change under a running service; another string or number of hops makes
 * another one of it. */
static void follow(struct service_host *h, struct hosted *s,
                   struct text *report, uint64_t now)
{
    struct config_service before = s->config;
    enum error err;

    set_config(h, s);
    if (s->id != 0 && before.hops == s->config.hops &&
        strcmp(before.string, s->config.string) == 0) {
        err = reconfigure(h, s, now);
        if (err != OK)
            text_addf(report, "service %s keeps its old settings: %s\n",
                      s->name, error_text(err));
        close_ports(h, s->id, &s->config.ports);
        return;
    }
    hosted_stop(h, s, false, now);
    hosted_start(h, s, now);
    if (s->trouble != OK)
        text_addf(report, "service %s does not run: %s\n", s->name, s->why);
}

void service_host_reconfigure(struct service_host *h,
                              const struct config *config, struct text *report,
                              uint64_t now)
{
    h->sections = &config->services;
    local_ports_configure(h->ports, config->max_service_sockets,
                          config->service_idle_timeout);
    for (unsigned i = h->count; i-- > 0;) {
        struct hosted *s = h->hosted[i];

        if (section_of(h, s->name) != NULL || s->by_itself ||
            s->program != NULL) {
            follow(h, s, report, now);
            continue;
        }
        hosted_stop(h, s, false, now);
        log_info(h->world.log, "service %s has stopped", s->name);
        hosted_drop(h, s);
    }
    for (unsigned i = 0; i < h->sections->count; i++) {
        struct hosted *s = NULL;

        if (find(h, h->sections->at[i].name) == NULL)
            s = hosted_add(h, h->sections->at[i].name);
        if (s == NULL)
            continue;
        hosted_start(h, s, now);
        if (s->trouble != OK)
            text_addf(report, "service %s does not run: %s\n", s->name, s->why);
    }
    service_host_rearm(h);
}

/* ---- By hand ------------------------------------------------------------ */

enum error service_host_add(struct service_host *h, const char *name,
                            const struct key_file *key, struct text *why,
                            uint64_t now)
{
    struct key_file own = *key;
    struct hosted *s = NULL;
    enum error err = OK;

    own.by_itself = true;
    if (find(h, name) != NULL) {
        text_addf(why, "there is a service %s already", name);
        err = ERR_IN_USE;
    }
    if (err == OK)
        err = key_file_create(h->world.data_dir, name, &own, why);
    key_file_wipe(&own);
    if (err != OK)
        return err;
    s = hosted_add(h, name);
    if (s != NULL)
        hosted_start(h, s, now);
    if (s != NULL && s->trouble == OK) {
        service_host_rearm(h);
        return OK;
    }
    err = s == NULL ? ERR_FULL : s->trouble;
    text_add(why, s == NULL ? error_text(err) : s->why);
    if (s != NULL)
        hosted_drop(h, s);
    key_file_remove(h->world.data_dir, name, why);
    return err;
}

static enum error not_found(const char *name, struct text *why)
{
    text_add(why, "there is no service '");
    text_add_printable(why, bytes_of_text(name));
    text_add(why, "'; `warren service list` shows those of this node");
    return ERR_NOT_FOUND;
}

/* Of a section that is no longer there, say: none of a service that runs. */
static bool has_key_file(const struct service_host *h, const char *name)
{
    struct key_file key;
    struct text ignored;
    enum error err;

    text_init(&ignored, 0);
    err = service_name_check(name, &ignored);
    if (err == OK) {
        err = key_file_read(h->world.data_dir, name, &key, &ignored);
        key_file_wipe(&key);
        err = err == ERR_NOT_FOUND ? err : OK;
    }
    text_deinit(&ignored);
    return err == OK;
}

enum error service_host_remove(struct service_host *h, const char *name,
                               struct text *why, uint64_t now)
{
    struct hosted *s = find(h, name);
    enum error err;

    if (s == NULL && !has_key_file(h, name))
        return not_found(name, why);
    if (s != NULL && s->has_section) {
        text_addf(why,
                  "the configuration has a section [service %s]: take that "
                  "out and send SIGHUP first",
                  name);
        return ERR_IN_USE;
    }
    err = key_file_remove(h->world.data_dir, name, why);
    if (err != OK)
        return err;
    if (s != NULL) {
        hosted_stop(h, s, true, now);
        hosted_drop(h, s);
    }
    count_failure(h, store_forget_service(h->world.store, name));
    service_host_rearm(h);
    return OK;
}

enum error service_host_change_access(struct service_host *h, const char *name,
                                      const struct key_file *key,
                                      struct text *why, uint64_t now)
{
    struct hosted *s = find(h, name);
    enum error err;

    if (s == NULL)
        return not_found(name, why);
    err = key_file_replace(h->world.data_dir, name, key, why);
    if (err == OK && s->id != 0)
        err = reconfigure(h, s, now);
    service_host_rearm(h);
    return err;
}

/* ---- Services of others ------------------------------------------------- */

enum error service_host_reach(struct service_host *h, const uint8_t key[32],
                              const uint8_t access[32], unsigned hops,
                              uint64_t now, uint32_t *id)
{
    enum error err = service_reach(h->engine, key, access, hops, now, id);
    uint32_t idle;

    if (err == ERR_FULL && reached_take_idle(&h->reached, now, &idle)) {
        service_leave(h->engine, idle, false, now);
        err = service_reach(h->engine, key, access, hops, now, id);
    }
    if (err != OK)
        return err;
    err = reached_hold(&h->reached, *id);
    if (err != OK)
        service_leave(h->engine, *id, false, now);
    return err;
}

void service_host_let_go(struct service_host *h, uint32_t id, uint64_t now)
{
    reached_release(&h->reached, id, now);
}

static void leave_idle(struct service_host *h, uint64_t now)
{
    uint32_t id;

    while (now >= REACHED_IDLE &&
           reached_take_idle(&h->reached, now - REACHED_IDLE, &id))
        service_leave(h->engine, id, false, now);
}

/* ---- Life --------------------------------------------------------------- */

void service_host_tick(struct service_host *h, uint64_t wall, uint64_t now)
{
    local_ports_tick(h->ports, now);
    leave_idle(h, now);
    if (period_of(wall) == h->period)
        return;
    h->period = period_of(wall);
    count_failure(h, store_forget_seqs(h->world.store, h->period - 1));
}

enum error service_host_new(const struct service_host_world *world,
                            const struct config *config,
                            struct service_host **out)
{
    struct service_host *h = calloc(1, sizeof(*h));
    struct local_ports_handler handler = {.arg = h,
                                          .received = on_answer,
                                          .batch_end = on_answers_end,
                                          .refused = on_refused};
    enum error err = ERR_NO_MEMORY;

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->world = *world;
    h->sections = &config->services;
    memcpy(h->network, config->dht.network, sizeof(h->network));
    h->flush = event_new(world->base, -1, 0, on_flush, h);
    h->refuse = event_new(world->base, -1, 0, on_refuse, h);
    if (h->flush != NULL && h->refuse != NULL)
        err = local_ports_new(world->base, &handler,
                              config->max_service_sockets,
                              config->service_idle_timeout, &h->ports);
    if (err == OK)
        err = solver_new(world->base, work_solve, on_solved, h, &h->solver);
    if (err != OK) {
        service_host_free(h);
        return err;
    }
    *out = h;
    return OK;
}

void service_host_free(struct service_host *h)
{
    if (h == NULL)
        return;
    solver_free(h->solver);
    local_ports_free(h->ports);
    if (h->flush != NULL)
        event_free(h->flush);
    if (h->refuse != NULL)
        event_free(h->refuse);
    while (h->count > 0)
        hosted_drop(h, h->hosted[h->count - 1]);
    reached_deinit(&h->reached);
    free(h);
}
