/* SPDX-License-Identifier: MIT */
#include "node/config/config.h"

#include "node/config/config_keys.h"
#include "node/config/config_source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

void config_default_data_dir(char out[CONFIG_PATH_SIZE])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0)
        snprintf(out, CONFIG_PATH_SIZE, "/var/lib/warren");
    else if (state != NULL && state[0] == '/')
        snprintf(out, CONFIG_PATH_SIZE, "%s/warren", state);
    else
        snprintf(out, CONFIG_PATH_SIZE, "%s/.local/state/warren",
                 home == NULL ? "" : home);
}

static void init(struct config *config)
{
    struct text why;

    memset(config, 0, sizeof(*config));
    text_init(&why, CONFIG_ERRORS_MAX);
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (key->init != NULL) {
            bool ok = config_assign(key, key->init, config, false, &why);

            assert(ok);
        }
    }
    text_deinit(&why);
    config_default_data_dir(config->data_dir);
}

static void finish_tunnel(struct config_loader *l)
{
    struct tunnel_config *t = &l->config.tunnel;

    memcpy(t->network, l->config.network, sizeof(t->network));
    memcpy(t->family, l->config.dht.family, sizeof(t->family));
    t->testing_network = l->config.testing_network;
    t->has_family_id = config_family_id(l->config.tunnel_family, t->family_id);
    if (t->min_circuits > t->max_circuits)
        config_loader_error(l, "tunnel", "min_circuits",
                            "min_circuits in [tunnel] is more than "
                            "max_circuits; raise that or lower this");
}

/* What follows from several keys. */
static void finish(struct config_loader *l)
{
    struct config *c = &l->config;

    if (c->control[0] == '\0') {
        int n = snprintf(c->control, sizeof(c->control), "%s/control.sock",
                         c->data_dir);

        if (n < 0 || (size_t)n >= sizeof(c->control))
            c->control[0] = '\0';
    }
    if (c->control[0] == '\0' ||
        strlen(c->control) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        config_loader_error(l, "node", "control",
                            "the path of the control socket is longer than "
                            "the 107 bytes of a Unix socket's name; set "
                            "control in [node] to a shorter one");
    if (c->listen_count == 0)
        config_loader_error(l, "node", "listen",
                            "listen in [node] is empty but must be "
                            "ADDR:PORT, like 0.0.0.0:7881 or [::]:7881");
    for (unsigned i = 0; i < c->listen_count; i++)
        c->dht.family[c->listen[i].family] = true;
    memcpy(c->dht.network, c->network, sizeof(c->dht.network));
    c->dht.testing_network = c->testing_network;
    finish_tunnel(l);
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
    if (l->error == OK)
        finish(l);
    err = l->error;
    if (err == OK)
        *out = l->config;
    free(l);
    return err;
}

static void reload_key(const struct config_key *key, struct config *current,
                       const struct config *fresh, struct text *report)
{
    struct text was, is;

    text_init(&was, CONFIG_ERRORS_MAX);
    text_init(&is, CONFIG_ERRORS_MAX);
    config_value_print(key, current, &was);
    config_value_print(key, fresh, &is);
    if (strcmp(text_get(&was), text_get(&is)) != 0) {
        if (key->reloadable)
            config_assign(key, text_get(&is), current, false, report);
        else
            text_addf(report,
                      "[%s] %s is '%s' and stays so until a restart; the "
                      "settings now say '%s'\n",
                      key->section, key->name, text_get(&was), text_get(&is));
    }
    text_deinit(&was);
    text_deinit(&is);
}

void config_reload(struct config *current, const struct config *fresh,
                   struct text *report)
{
    for (size_t i = 0; i < config_keys_count; i++)
        reload_key(&config_keys[i], current, fresh, report);
}

static void print_comment(const char *lines, struct text *out)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        text_addf(out, "# %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

static void print_default(const struct config_key *key, struct text *out)
{
    const char *section = key->section;
    bool first = config_key_find(section, NULL) == key;

    if (first)
        text_addf(out, "\n[%s]\n", section);
    text_add(out, "\n");
    print_comment(key->meaning, out);
    text_add(out, "# Must be ");
    config_value_explain(key, out);
    text_add(out, key->reloadable ? ". SIGHUP reloads it.\n" : ".\n");
    text_addf(out, "%s%s = %s\n", key->init == NULL ? "#" : "", key->name,
              config_key_init_text(key));
}

void config_print_defaults(struct text *out)
{
    text_add(out, "# Every setting of warren with its default. A setting may "
                  "be left out; flags\n# override the environment "
                  "(WARREN_NODE_LISTEN), which overrides this file.\n");
    for (size_t i = 0; i < config_keys_count; i++)
        print_default(&config_keys[i], out);
}
