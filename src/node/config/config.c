/* SPDX-License-Identifier: MIT
 *
 * Settings as a whole: how they come about (config_load), how they change
 * while the daemon runs (config_reload), and how they are printed.
 *
 * Both begin with values of keys and end with config_derive, which fills in
 * what follows from those and holds keys against each other.
 */
#include "node/config/config.h"

#include "node/config/config_keys.h"
#include "node/config/config_source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- Defaults ---------------------------------------------------------- */

void config_default_data_dir(char out[CONFIG_PATH_SIZE])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0)
        snprintf(out, CONFIG_PATH_SIZE, "/var/lib/warren");
    else if (state != NULL && state[0] == '/')
        snprintf(out, CONFIG_PATH_SIZE, "%s/warren", state);
    else if (home != NULL && home[0] != '\0')
        snprintf(out, CONFIG_PATH_SIZE, "%s/.local/state/warren", home);
    else
        out[0] = '\0';
}

static void init(struct config *config)
{
    struct text why;

    memset(config, 0, sizeof(*config));
    dht_config_init(&config->dht);
    dht_config_init(&config->mainline);
    config->mainline.dialect = DHT_DIALECT_MAINLINE;
    member_config_init(&config->tunnel);
    carrier_config_init(&config->carrier);
    config_default_data_dir(config->data_dir);
    text_init(&why, CONFIG_ERRORS_MAX);
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];
        enum error err = key->init == NULL
                             ? OK
                             : setting_set(key, key->init, config, false, &why);

        assert(err == OK);
    }
    text_deinit(&why);
}

/* ---- What follows from several keys ------------------------------------ */

/* A key whose value cannot be, and why; it may be set back by the callee. */
typedef void wrong_fn(void *arg, const char *section, const char *name,
                      const char *what);

static void derive_control(struct config *c, wrong_fn *wrong, void *arg)
{
    if (c->control[0] == '\0' && c->data_dir[0] == '\0') {
        wrong(arg, "node", "data_dir",
              "there is no default, because neither HOME nor XDG_STATE_HOME "
              "is set; give a directory with --data-dir, or set HOME");
        return;
    }
    if (c->control[0] == '\0') {
        int n = snprintf(c->control, sizeof(c->control), "%s/control.sock",
                         c->data_dir);

        if (n < 0 || (size_t)n >= sizeof(c->control))
            c->control[0] = '\0';
    }
    if (c->control[0] == '\0' ||
        strlen(c->control) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        wrong(arg, "node", "control",
              "the path of the control socket is longer than the 107 bytes of "
              "a Unix socket's name; set control in [node] to a shorter one");
}

/* `instead` is what may be said without allow_public. */
static void derive_listeners(const struct config_listeners *list, bool public,
                             const char *section, const char *instead,
                             wrong_fn *wrong, void *arg)
{
    const struct config_listener *l = config_public_listener(list);
    char at[CONFIG_LISTENER_SIZE], what[512];

    if (l == NULL || public)
        return;
    snprintf(what, sizeof(what),
             "listen in [%s] is '%s', where other machines could use this "
             "node's circuits without a password; take %s, or say "
             "allow_public = yes in [%s]",
             section, config_print_listener(l, at), instead, section);
    wrong(arg, section, "listen", what);
}

/* Called whenever keys have changed, so that no value can be left behind. */
static void derive(struct config *c, wrong_fn *wrong, void *arg)
{
    struct member_config *t = &c->tunnel;

    derive_control(c, wrong, arg);
    derive_listeners(&c->socks, c->socks_allow_public, "socks",
                     "a loopback address or unix:/PATH", wrong, arg);
    derive_listeners(&c->dns, c->dns_allow_public, "dns", "a loopback address",
                     wrong, arg);
    if (c->listen.count == 0)
        wrong(arg, "node", "listen",
              "listen in [node] is empty but must be ADDR:PORT, like "
              "0.0.0.0:7881 or [::]:7881");
    if (t->min_circuits > t->max_circuits)
        wrong(arg, "tunnel", "min_circuits",
              "min_circuits in [tunnel] is more than max_circuits; raise that "
              "or lower this");
    if (c->tunnel_dht != MEET_IN_BUILTIN && !c->mainline_enabled)
        wrong(arg, "tunnel", "dht_provider",
              "dht_provider in [tunnel] needs the mainline DHT, which is off; "
              "set enabled = true in [mainline], or dht_provider = builtin");
    memset(c->dht.family, 0, sizeof(c->dht.family));
    for (unsigned i = 0; i < c->listen.count; i++)
        c->dht.family[c->listen.at[i].family] = true;
    memcpy(c->mainline.family, c->dht.family, sizeof(c->mainline.family));
    c->mainline.testing_network = c->dht.testing_network;
    memcpy(t->network, c->dht.network, sizeof(t->network));
    memcpy(t->family, c->dht.family, sizeof(t->family));
    t->testing_network = c->dht.testing_network;
    t->has_family_id = config_family_id(c->tunnel_family, t->family_id);
    config_derive_tcp(&c->exit_tcp_policy, &c->exit_policy, &c->exit_tcp_lines);
}

/* ---- Load -------------------------------------------------------------- */

static void report_wrong(void *arg, const char *section, const char *name,
                         const char *what)
{
    config_loader_error(arg, section, name, what);
}

enum error config_load(const struct config_input *input, struct config *out,
                       struct text *errors)
{
    struct config_loader *l = calloc(1, sizeof(*l));
    const char *file = input->file;
    enum error err;

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->errors = errors;
    init(&l->config);
    config_find_file_flag(input->argc, input->argv, &file);
    if (file != NULL)
        config_load_file(l, file);
    if (input->environment != NULL)
        config_load_environment(l, input->environment);
    config_load_settings(l, input->settings, input->setting_count);
    config_load_flags(l, input->argc, input->argv);
    l->config.http_is_default = !config_loader_has(l, "http", "listen");
    if (l->error == OK)
        derive(&l->config, report_wrong, l);
    err = l->error;
    if (err == OK)
        *out = l->config;
    free(l);
    return err;
}

/* ---- Reload ------------------------------------------------------------ */

struct reload {
    struct config next; /* what is being put together */
    const struct config *running, *fresh;
    struct text *report;
};

static void copy_key(struct config *to, const struct config *from,
                     const struct setting_key *key)
{
    memcpy((char *)to + key->offset, (const char *)from + key->offset,
           key->size);
}

/* One that cannot change, or whose new value does not fit those. */
static void keep(struct reload *r, const struct setting_key *key,
                 const char *because)
{
    struct text was, is;

    text_init(&was, CONFIG_ERRORS_MAX);
    text_init(&is, CONFIG_ERRORS_MAX);
    setting_print(key, r->running, &was);
    setting_print(key, r->fresh, &is);
    if (strcmp(text_get(&was), text_get(&is)) != 0)
        text_addf(r->report,
                  "[%s] %s is '%s' and stays so until a restart; the settings "
                  "now say '%s'%s%s\n",
                  key->section, key->name, text_get(&was), text_get(&is),
                  because[0] == '\0' ? "" : ": ", because);
    text_deinit(&was);
    text_deinit(&is);
}

/* What runs is sound, so that the key as it was fits again. */
static void take_back(void *arg, const char *section, const char *name,
                      const char *what)
{
    struct reload *r = arg;
    const struct setting_key *key = config_key_find(section, name);

    assert(key != NULL);
    keep(r, key, what);
    copy_key(&r->next, r->running, key);
}

void config_reload(struct config *current, const struct config *fresh,
                   struct text *report)
{
    struct reload r = {
        .next = *current, .running = current, .fresh = fresh, .report = report};

    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        if (key->reloadable)
            copy_key(&r.next, fresh, key);
        else
            keep(&r, key, "");
    }
    r.next.services = fresh->services;
    derive(&r.next, take_back, &r);
    *current = r.next;
}

/* ---- Print ------------------------------------------------------------- */

static void print_default(const struct setting_key *key,
                          const struct config *defaults, struct text *out)
{
    if (config_key_find(key->section, NULL) == key)
        text_addf(out, "\n[%s]\n", key->section);
    text_add(out, "\n");
    setting_print_default(key, defaults, "#", out);
}

/* A comment as a whole: there is no service unless somebody wants one. */
static void print_service(struct text *out)
{
    struct config_service service;

    config_service_init(&service);
    text_add(out,
             "\n# Hidden services, for each a section that names it; none is "
             "there by\n# default. `warren service new NAME` makes one, too; "
             "a section is for\n# other settings and for local ports.\n"
             "#\n# [service NAME]\n");
    for (size_t i = 0; i < CONFIG_SERVICE_KEYS; i++) {
        const struct setting_key *key = &config_service_keys[i];

        text_add(out, "#\n");
        setting_print_default(key, &service, "# ", out);
    }
}

void config_print_defaults(struct text *out)
{
    struct config defaults;

    init(&defaults);
    text_add(out, "# Every setting of warren. The lines that begin with # and "
                  "a key are the\n# defaults: take the # away to set one. "
                  "Flags override the environment\n# (WARREN_NODE_LISTEN), "
                  "which overrides this file.\n");
    for (size_t i = 0; i < config_keys_count; i++)
        print_default(&config_keys[i], &defaults, out);
    print_service(out);
}
