/* SPDX-License-Identifier: MIT
 *
 * Settings by name: variables of the environment, those that a program gives,
 * and flags; and what was meant where a name is unknown.
 */
#include "node/config/config_source.h"

#include "base/words.h"
#include "warren.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_LEN 7 /* of "WARREN_" */

/* "--listen"; empty when the key has none. */
static void short_name(const struct setting_key *key,
                       char name[CONFIG_NAME_SIZE])
{
    snprintf(name, CONFIG_NAME_SIZE, "%s%s", key->flag == NULL ? "" : "--",
             key->flag == NULL ? "" : key->flag);
}

typedef void name_fn(const struct setting_key *key,
                     char name[CONFIG_NAME_SIZE]);

static const struct setting_key *find_named(const char *typed, name_fn *name)
{
    char buf[CONFIG_NAME_SIZE];

    for (size_t i = 0; i < config_keys_count; i++) {
        name(&config_keys[i], buf);
        if (strcmp(buf, typed) == 0)
            return &config_keys[i];
    }
    return NULL;
}

/* A slip of the hand, or the section left out. The first `skip` bytes of
 * all names are the same. */
static bool means(const char *typed, const char *name, size_t skip)
{
    size_t len = strlen(typed + skip), n = strlen(name);

    if (n > skip + len && len > 0 &&
        ispunct((unsigned char)name[n - len - 1]) &&
        strcmp(name + n - len, typed + skip) == 0)
        return true;
    return n > skip && words_similar(typed + skip, name + skip);
}

/* The name nearest to what was typed, into `best`, if it is near enough. */
static void suggest(const char *typed, name_fn *name, size_t skip,
                    char best[CONFIG_NAME_SIZE])
{
    char buf[CONFIG_NAME_SIZE];

    for (size_t i = 0; i < config_keys_count; i++) {
        name(&config_keys[i], buf);
        if (means(typed, buf, skip) &&
            (best[0] == '\0' ||
             words_distance(typed, buf) < words_distance(typed, best)))
            memcpy(best, buf, CONFIG_NAME_SIZE);
    }
}

/* ---- The environment ---- */

/* Container engines set some for a service that is named warren, and our own
 * tests have theirs. */
static bool is_no_setting(const char *name)
{
    return strncmp(name, "WARREN_TEST_", 12) == 0 ||
           strncmp(name, "WARREN_PORT", 11) == 0 ||
           strncmp(name, "WARREN_SERVICE_", 15) == 0;
}

static void load_variable(struct config_loader *l, const char *name,
                          const char *value)
{
    const struct setting_key *key = find_named(name, config_environment_name);
    char best[CONFIG_NAME_SIZE] = "";

    if (key != NULL) {
        config_loader_set(l, key, value, CONFIG_FROM_ENVIRONMENT, 0, name);
        return;
    }
    if (is_no_setting(name))
        return;
    suggest(name, config_environment_name, PREFIX_LEN, best);
    if (best[0] != '\0')
        config_loader_report(l, name, "unknown setting; did you mean %s?",
                             best);
    else
        config_loader_report(l, name,
                             "unknown setting; names are WARREN_SECTION_KEY, "
                             "and `warren config default` shows all keys");
}

void config_load_environment(struct config_loader *l, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        char name[CONFIG_NAME_SIZE];

        if (equals == NULL || strncmp(*environment, "WARREN_", PREFIX_LEN) != 0)
            continue;
        if (equals[1] == '\0')
            continue; /* as good as not set: `docker run -e X=`, `X= warren` */
        snprintf(name, sizeof(name), "%.*s", (int)(equals - *environment),
                 *environment);
        load_variable(l, name, equals + 1);
    }
}

/* ---- A program, through the library ---- */

static void load_setting(struct config_loader *l,
                         const struct warren_setting *setting)
{
    const struct setting_key *key =
        find_named(setting->name, config_setting_name);
    char best[CONFIG_NAME_SIZE] = "";

    if (key != NULL && setting->value != NULL) {
        config_loader_set(l, key, setting->value, CONFIG_FROM_PROGRAM, 0,
                          setting->name);
        return;
    }
    suggest(setting->name, config_setting_name, 0, best);
    if (key != NULL)
        config_loader_report(l, setting->name, "has no value");
    else if (best[0] != '\0')
        config_loader_report(l, setting->name,
                             "unknown setting; did you mean %s?", best);
    else
        config_loader_report(l, setting->name,
                             "unknown setting; names are SECTION.KEY, and "
                             "`warren config default` shows all keys");
}

void config_load_settings(struct config_loader *l,
                          const struct warren_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        load_setting(l, &settings[i]);
}

/* ---- Flags ---- */

struct flag {
    char name[CONFIG_NAME_SIZE];
    const char *value; /* after the '=', or NULL */
};

static bool split_flag(const char *arg, struct flag *out)
{
    const char *equals = strchr(arg, '=');
    size_t len = equals == NULL ? strlen(arg) : (size_t)(equals - arg);

    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
        return false;
    snprintf(out->name, sizeof(out->name), "%.*s", (int)len, arg);
    out->value = equals == NULL ? NULL : equals + 1;
    return true;
}

static bool is_config_flag(const struct flag *flag)
{
    return strcmp(flag->name, "--config") == 0;
}

/* The key of a flag; `implied` gets the value of one that takes none. */
static const struct setting_key *find_flag(const struct flag *flag,
                                           const char **implied)
{
    const struct setting_key *key = find_named(flag->name, config_flag_name);

    *implied = NULL;
    if (key != NULL)
        return key;
    key = find_named(flag->name, short_name);
    if (key != NULL)
        *implied = key->flag_value;
    return key;
}

static bool takes_value(const struct flag *flag)
{
    const char *implied;

    return is_config_flag(flag) ||
           (find_flag(flag, &implied) != NULL && implied == NULL);
}

/* Takes the value of argv[*i] from behind the '=' or from the next argument,
 * and steps over that. */
static const char *flag_value(const struct flag *flag, int argc,
                              char *const *argv, int *i)
{
    if (flag->value != NULL || !takes_value(flag))
        return flag->value;
    if (*i + 1 == argc)
        return NULL;
    return argv[++*i];
}

void config_find_file_flag(int argc, char *const *argv, const char **file)
{
    struct flag flag;

    for (int i = 0; i < argc; i++) {
        const char *value;

        if (!split_flag(argv[i], &flag))
            continue;
        value = flag_value(&flag, argc, argv, &i);
        if (is_config_flag(&flag) && value != NULL)
            *file = value;
    }
}

/* "--mainline" turns on what a section of that name is about. */
static void suggest_enabled(const struct flag *flag,
                            char best[CONFIG_NAME_SIZE])
{
    char name[2 * CONFIG_NAME_SIZE];
    const struct setting_key *key;

    snprintf(name, sizeof(name), "%s.enabled", flag->name);
    key = find_named(name, config_flag_name);
    if (key != NULL)
        snprintf(best, CONFIG_NAME_SIZE, "--%s.enabled=true", key->section);
}

static void unknown_flag(struct config_loader *l, const struct flag *flag)
{
    char best[CONFIG_NAME_SIZE] = "";

    suggest(flag->name, short_name, 2, best);
    suggest(flag->name, config_flag_name, 2, best);
    if (best[0] == '\0' && words_similar(flag->name + 2, "config"))
        snprintf(best, sizeof(best), "--config");
    suggest_enabled(flag, best);
    if (best[0] != '\0')
        config_loader_report(l, flag->name, "unknown flag; did you mean %s?",
                             best);
    else
        config_loader_report(l, flag->name,
                             "unknown flag; every key has one like "
                             "--dht.max_items, and `warren config default` "
                             "shows all keys");
}

/* What follows a flag that nobody knows is its value, or there is none; of a
 * word that is no flag either only the first is said. */
static void skip_value(const struct flag *flag, int argc, char *const *argv,
                       int *i)
{
    const char *implied;

    if (flag->value == NULL && !is_config_flag(flag) &&
        find_flag(flag, &implied) == NULL && *i + 1 < argc &&
        argv[*i + 1][0] != '-')
        ++*i;
}

static void load_flag(struct config_loader *l, const struct flag *flag,
                      const char *value)
{
    const char *implied;
    const struct setting_key *key = find_flag(flag, &implied);

    if (key == NULL && !is_config_flag(flag))
        unknown_flag(l, flag);
    else if (implied != NULL && value != NULL)
        config_loader_report(l, flag->name,
                             "takes no value; write %s alone or --%s.%s VALUE",
                             flag->name, key->section, key->name);
    else if (implied == NULL && value == NULL)
        config_loader_report(l, flag->name, "needs a value after it");
    else if (key != NULL)
        config_loader_set(l, key, value == NULL ? implied : value,
                          CONFIG_FROM_FLAGS, 0, flag->name);
}

void config_load_flags(struct config_loader *l, int argc, char *const *argv)
{
    struct flag flag;

    for (int i = 0; i < argc; i++) {
        if (split_flag(argv[i], &flag)) {
            load_flag(l, &flag, flag_value(&flag, argc, argv, &i));
            skip_value(&flag, argc, argv, &i);
        } else {
            config_loader_report(l, argv[i],
                                 "is no flag; flags look like --listen "
                                 "127.0.0.1:7881");
        }
    }
}
