/* SPDX-License-Identifier: MIT
 *
 * Settings from a file, the environment, a program and flags: the first byte
 * says from where, the rest is the text. What cannot be taken is said, in lines
 * that no text can forge; what is taken prints as settings that load to the
 * same; and any settings can be reloaded over the defaults.
 */
#include "fuzz.h"

#include "base/setting/ini.h"
#include "node/config/config.h"
#include "node/config/config_keys.h"
#include "warren.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS 16

static int file = -1;
static char path[32];

/* A file in memory, used again and again. */
static void write_file(struct bytes text)
{
    if (file < 0) {
        file = memfd_create("warren.conf", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    assert(file >= 0 && ftruncate(file, 0) == 0);
    assert(pwrite(file, text.p, text.len, 0) == (ssize_t)text.len);
}

static enum error load(const struct config_input *input, struct config *out)
{
    struct text errors;
    enum error err;

    text_init(&errors, CONFIG_ERRORS_MAX);
    err = config_load(input, out, &errors);
    assert((err == OK) == (errors.len == 0));
    assert(text_is_plain(bytes_of(text_get(&errors), errors.len)));
    text_deinit(&errors);
    return err;
}

static void print_services(const struct config *c, struct text *out)
{
    for (unsigned n = 0; n < c->services.count; n++) {
        const struct config_service *service = &c->services.at[n];

        text_addf(out, "[service %s]\n", service->name);
        for (size_t i = 0; i < CONFIG_SERVICE_KEYS; i++) {
            const struct setting_key *key = &config_service_keys[i];

            text_addf(out, "%s = ", key->name);
            key->type->print(key, (const char *)service + key->offset, out);
            text_add(out, "\n");
        }
    }
}

/* Every key of `c`, as a file. */
static void print_all(const struct config *c, struct text *out)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        text_addf(out, "[%s]\n%s = ", config_keys[i].section,
                  config_keys[i].name);
        setting_print(&config_keys[i], c, out);
        text_add(out, "\n");
    }
    print_services(c, out);
}

static void check_taken(const struct config *c)
{
    static struct config again, running;
    struct config_input from_file = {.file = path}, none = {.argc = 0};
    struct text first, second, report;

    text_init(&first, 256 * 1024);
    text_init(&second, 256 * 1024);
    text_init(&report, 256 * 1024);
    print_all(c, &first);
    assert(!first.truncated);
    write_file(bytes_of(text_get(&first), first.len));
    assert(load(&from_file, &again) == OK);
    print_all(&again, &second);
    assert(strcmp(text_get(&first), text_get(&second)) == 0);
    assert(load(&none, &running) == OK);
    config_reload(&running, c, &report);
    assert(running.tunnel.min_circuits <= running.tunnel.max_circuits);
    text_deinit(&first);
    text_deinit(&second);
    text_deinit(&report);
}

/* Lines and nothing but lines. */
static void check_lines(struct bytes text)
{
    char *copy = malloc(text.len + 1);
    struct ini_item item;
    unsigned last = 0;
    struct ini ini;

    assert(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.p, text.len);
    ini_init(&ini, copy, text.len);
    while (ini_next(&ini, &item)) {
        assert(item.line > last);
        last = item.line;
        assert((item.kind == INI_ERROR) == (item.error != NULL));
        assert(item.kind != INI_PAIR || item.key[0] != '\0');
    }
    free(copy);
}

/* Words end with a newline. */
static unsigned split(char *text, char *words[WORDS + 1])
{
    unsigned n = 0;

    for (char *save, *w = strtok_r(text, "\n", &save); w != NULL && n < WORDS;
         w = strtok_r(NULL, "\n", &save))
        words[n++] = w;
    words[n] = NULL;
    return n;
}

static void make_settings(char *const *words, unsigned n,
                          struct warren_setting *out)
{
    for (unsigned i = 0; i < n; i++) {
        char *equals = strchr(words[i], '=');

        if (equals != NULL)
            *equals = '\0';
        out[i] = (struct warren_setting){
            .name = words[i], .value = equals == NULL ? NULL : equals + 1};
    }
}

/* Flags never name a file: what it has is not the input's. */
static bool names_file(char *const *words)
{
    for (; *words != NULL; words++) {
        if (strncmp(*words, "--config", 8) == 0)
            return true;
    }
    return false;
}

static bool load_input(uint8_t from, struct bytes text, struct config *out)
{
    char *words[WORDS + 1], *copy = strndup((const char *)text.p, text.len);
    struct warren_setting settings[WORDS];
    struct config_input input = {.file = NULL};
    unsigned n;
    bool taken = false;

    assert(copy != NULL);
    n = from % 4 == 0 ? 0 : split(copy, words);
    if (from % 4 == 0) {
        check_lines(text);
        write_file(text);
        input.file = path;
    } else if (from % 4 == 1) {
        input.environment = words;
    } else if (from % 4 == 2) {
        make_settings(words, n, settings);
        input.settings = settings;
        input.setting_count = n;
    } else {
        input.argc = (int)n;
        input.argv = words;
    }
    if (from % 4 != 3 || !names_file(words))
        taken = load(&input, out) == OK;
    free(copy);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config c;

    if (size == 0 || size > 8192)
        return 0;
    if (load_input(data[0], bytes_of(data + 1, size - 1), &c))
        check_taken(&c);
    return 0;
}
