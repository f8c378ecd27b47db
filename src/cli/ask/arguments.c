/* SPDX-License-Identifier: MIT
 *
 * A command line is words of the verb, then arguments and flags in any order;
 * "--" ends the flags. `--flag value` and `--flag=value` are the same. What is
 * wrong is said with the word that was meant, where one is near.
 */
#include "cli/ask/arguments.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "base/words.h"
#include "cli/show/say.h"
#include "dht/types/magnet.h"
#include "node/config/config_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT (30 * TIME_S)
#define TIMEOUT_MIN     (100 * TIME_MS)
#define TIME_TEXT_SIZE  32
#define WHY_LIMIT       1024
#define TIMEOUT_MAX     (24 * TIME_HOUR)

static bool no_id(const char *what, const char *text, const char *or_else)
{
    char length[TEXT_COUNT_SIZE];

    cli_fail(EXIT_USAGE,
             "%s must be exactly 40 hex digits (0-9, a-f)%s; '%s' has %s%s",
             what, or_else, text, text_count(strlen(text), "character", length),
             strlen(text) == 40 ? ", some of them no hex digits" : "");
    return false;
}

bool cli_read_id(const char *what, const char *text, struct id *out)
{
    return id_parse(text, out) == OK || no_id(what, text, "");
}

bool cli_read_hash(const char *what, const char *text, struct id *out)
{
    struct bytes link = bytes_of_text(text);
    struct text why;
    bool ok;

    if (!magnet_is_link(link))
        return id_parse(text, out) == OK ||
               no_id(what, text, ", or a magnet link");
    text_init(&why, WHY_LIMIT);
    ok = magnet_info_hash(link, out, &why) == OK;
    if (!ok)
        cli_fail(EXIT_USAGE, "%s", text_get(&why));
    text_deinit(&why);
    return ok;
}

bool cli_read_number(const char *what, const char *text, uint64_t min,
                     uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
        n >= min && n <= max) {
        *out = n;
        return true;
    }
    cli_fail(EXIT_USAGE,
             "%s must be a whole number from %" PRIu64 " to %" PRIu64
             ", not '%s'",
             what, min, max, text);
    return false;
}

bool cli_read_time(const char *what, const char *text, uint64_t min,
                   uint64_t max, uint64_t *out)
{
    char in_seconds[TIME_TEXT_SIZE];
    struct text limits;
    uint64_t ns;

    if (strlen(text) > 0 && strspn(text, "0123456789") == strlen(text))
        snprintf(in_seconds, sizeof(in_seconds), "%.20ss", text);
    else
        snprintf(in_seconds, sizeof(in_seconds), "%s", text);
    if (setting_read_duration(in_seconds, &ns) && ns >= min && ns <= max) {
        *out = ns;
        return true;
    }
    text_init(&limits, CONFIG_ERRORS_MAX);
    setting_explain_duration(min, max, &limits);
    cli_fail(EXIT_USAGE, "%s must be %s, or a number of seconds, not '%s'",
             what, text_get(&limits), text);
    text_deinit(&limits);
    return false;
}

/* ---- Flags ------------------------------------------------------------- */

static const struct cli_option talk_options[] = {
    {"--json", NULL, "print one JSON object for programs"},
    {"--timeout", "TIME", "wait no longer for the answer (30s)"},
    {"--data-dir", "D", "data directory of the daemon to talk to"},
    {"--control", "PATH", "control socket of the daemon to talk to"},
    {"--config", "F", "configuration of the daemon to talk to"},
    {NULL, NULL, NULL}};

const struct cli_option *cli_option_at(const struct cli_verb *verb,
                                       size_t place)
{
    const struct cli_option *o = verb->options;

    for (; o != NULL && o->name != NULL; o++) {
        if (place-- == 0)
            return o;
    }
    if (!verb->talks)
        return NULL;
    for (o = talk_options; o->name != NULL; o++) {
        if (place-- == 0)
            return o;
    }
    return NULL;
}

static const struct cli_option *find_option(const struct cli_verb *verb,
                                            const char *name, size_t len,
                                            size_t *place)
{
    const struct cli_option *option;

    for (*place = 0; (option = cli_option_at(verb, *place)) != NULL; ++*place) {
        if (strlen(option->name) == len &&
            strncmp(option->name, name, len) == 0)
            return option;
    }
    return NULL;
}

const char *cli_value(const struct cli *cli, const char *name)
{
    size_t place;

    if (find_option(cli->verb, name, strlen(name), &place) == NULL)
        return NULL;
    return cli->values[place];
}

bool cli_in_mainline(const struct cli *cli)
{
    return cli_value(cli, "--mainline") != NULL;
}

static bool unknown_flag(const struct cli *cli, const char *flag, size_t len)
{
    const struct cli_option *option;
    const char *best = NULL;
    char typed[64];

    snprintf(typed, sizeof(typed), "%.*s", (int)len, flag);
    for (size_t i = 0; (option = cli_option_at(cli->verb, i)) != NULL; i++) {
        if (words_similar(typed, option->name) &&
            (best == NULL ||
             words_distance(typed, option->name) < words_distance(typed, best)))
            best = option->name;
    }
    if (best != NULL)
        cli_fail(EXIT_USAGE, "'warren %s' has no flag %s; did you mean %s?",
                 cli->verb->name, typed, best);
    else
        cli_fail(EXIT_USAGE,
                 "'warren %s' has no flag %s; 'warren %s --help' shows what "
                 "it takes",
                 cli->verb->name, typed, cli->verb->name);
    return false;
}

/* Such a word is no value of the flag before it, from which that is missing. */
static bool is_flag(const struct cli *cli, const char *word)
{
    size_t place;

    return find_option(cli->verb, word, strcspn(word, "="), &place) != NULL;
}

static bool runs_program(const struct cli_verb *verb)
{
    return strstr(verb->args, "...") != NULL;
}

/* The flag at argv[i] takes the next word as its value. */
static bool takes_next(const struct cli *cli, int i)
{
    const char *flag = cli->argv[i];
    size_t place;
    const struct cli_option *option =
        find_option(cli->verb, flag, strlen(flag), &place);

    return option != NULL && option->value != NULL && i + 1 < cli->argc &&
           !is_flag(cli, cli->argv[i + 1]);
}

int cli_own_words(const struct cli *cli)
{
    int i;

    for (i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (runs_program(cli->verb) && cli->argv[i][0] != '-')
            break;
        if (runs_program(cli->verb) && takes_next(cli, i))
            i++;
    }
    return i;
}

/* Takes the flag at argv[*i], and its value. */
static bool take_flag(struct cli *cli, int *i)
{
    const char *flag = cli->argv[*i];
    const char *equals = strchr(flag, '=');
    size_t len = equals == NULL ? strlen(flag) : (size_t)(equals - flag);
    size_t place;
    const struct cli_option *option = find_option(cli->verb, flag, len, &place);

    if (option == NULL)
        return unknown_flag(cli, flag, len);
    if (option->value == NULL && equals != NULL) {
        cli_fail(EXIT_USAGE, "%s takes no value", option->name);
        return false;
    }
    if (option->value == NULL) {
        cli->values[place] = "";
    } else if (equals != NULL) {
        cli->values[place] = equals + 1;
    } else if (*i + 1 < cli->argc && !is_flag(cli, cli->argv[*i + 1])) {
        cli->values[place] = cli->argv[++*i];
    } else {
        cli_fail(EXIT_USAGE, "%s needs a value after it: %s %s", option->name,
                 option->name, option->value);
        return false;
    }
    return true;
}

bool cli_wrong_count(const struct cli_verb *verb, unsigned count)
{
    if (verb->arg_count == 0)
        cli_fail(EXIT_USAGE, "'warren %s' takes no arguments besides flags",
                 verb->name);
    else
        cli_fail(EXIT_USAGE, "'warren %s' %s: warren %s %s", verb->name,
                 count < verb->arg_count ? "needs an argument"
                                         : "has too many arguments",
                 verb->name, verb->args);
    return false;
}

/* The last of "NAME [FILE]". */
static unsigned may_miss_one(const struct cli_verb *verb)
{
    size_t len = strlen(verb->args);

    return len > 0 && verb->args[len - 1] == ']';
}

bool cli_parse(struct cli *cli)
{
    bool flags = true;
    unsigned count = 0;

    for (int i = 0; i < cli->argc; i++) {
        const char *arg = cli->argv[i];

        if (flags && strcmp(arg, "--") == 0) {
            flags = false;
        } else if (flags && arg[0] == '-' && arg[1] == '-') {
            if (!take_flag(cli, &i))
                return false;
        } else if (runs_program(cli->verb) && (!flags || arg[0] != '-')) {
            cli->program = cli->argv + i;
            count++;
            break;
        } else if (runs_program(cli->verb) || count == cli->verb->arg_count) {
            if (flags && arg[0] == '-' && arg[1] != '\0')
                return unknown_flag(cli, arg, strlen(arg));
            return cli_wrong_count(cli->verb, count + 1);
        } else {
            cli->args[count++] = arg;
        }
    }
    if (count < cli->verb->arg_count - may_miss_one(cli->verb))
        return cli_wrong_count(cli->verb, count);
    return true;
}

bool cli_parse_common(struct cli *cli)
{
    const char *timeout = cli_value(cli, "--timeout");

    cli->json = cli_value(cli, "--json") != NULL;
    cli->timeout = TIMEOUT_DEFAULT;
    return timeout == NULL || cli_read_time("--timeout", timeout, TIMEOUT_MIN,
                                            TIMEOUT_MAX, &cli->timeout);
}
