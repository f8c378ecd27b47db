/* SPDX-License-Identifier: MIT
 */
#include "cli/cli.h"
#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "base/words.h"
#include "cli/cli_help.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT 30 /* s */
#define TIMEOUT_MAX     86400

#define FAIL_MAX   (16 * 1024) /* bytes of a sentence; more are cut off */
#define JSON_LIMIT (128 * 1024)

/* ---- Failing ----------------------------------------------------------- */

/* Whether --json is among the arguments; also wrong ones are told in JSON. */
static bool as_json;

static void print_lines(const char *p)
{
    while (*p != '\0') {
        size_t len = strcspn(p, "\n");

        fprintf(stderr, "warren: %.*s\n", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

enum exit_code cli_say(enum exit_code code, const char *name, const char *why)
{
    size_t len = strlen(why);
    struct text t;

    if (!as_json) {
        print_lines(why);
        return code;
    }
    while (len > 0 && why[len - 1] == '\n')
        len--;
    text_init(&t, JSON_LIMIT);
    text_addf(&t, "{\"error\": {\"code\": \"%s\", \"text\": ", name);
    text_add_json(&t, bytes_of(why, len));
    text_add(&t, "}}");
    puts(text_get(&t));
    text_deinit(&t);
    return code;
}

static const char *name_of(enum exit_code code)
{
    return error_name(code == EXIT_USAGE ? ERR_SYNTAX : ERR_IO);
}

enum exit_code cli_fail(enum exit_code code, const char *format, ...)
{
    char why[FAIL_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    return cli_say(code, name_of(code), why);
}

bool cli_read_id(const char *what, const char *text, struct id *out)
{
    if (id_parse(text, out) == OK)
        return true;
    cli_fail(EXIT_USAGE,
             "%s must be exactly 40 hex digits (0-9, a-f); '%s' has %zu "
             "characters%s",
             what, text, strlen(text),
             strlen(text) == 40 ? ", some of them no hex digits" : "");
    return false;
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

/* ---- Flags ------------------------------------------------------------- */

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

static bool wrong_count(const struct cli_verb *verb, unsigned count)
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

static bool parse_arguments(struct cli *cli)
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
        } else if (count == cli->verb->arg_count) {
            if (flags && arg[0] == '-' && arg[1] != '\0')
                return unknown_flag(cli, arg, strlen(arg));
            return wrong_count(cli->verb, count + 1);
        } else {
            cli->args[count++] = arg;
        }
    }
    if (count != cli->verb->arg_count)
        return wrong_count(cli->verb, count);
    return true;
}

static bool common_flags(struct cli *cli)
{
    const char *timeout = cli_value(cli, "--timeout");
    uint64_t seconds = TIMEOUT_DEFAULT;

    cli->json = cli_value(cli, "--json") != NULL;
    if (timeout != NULL && !cli_read_number("--timeout in seconds", timeout, 1,
                                            TIMEOUT_MAX, &seconds))
        return false;
    cli->timeout = seconds * TIME_S;
    return true;
}

/* ---- Verbs ------------------------------------------------------------- */

static bool wants_help(const struct cli *cli)
{
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (strcmp(cli->argv[i], "--help") == 0 ||
            strcmp(cli->argv[i], "-h") == 0)
            return true;
    }
    return false;
}

/* Otherwise the first files and sockets of ours would take the places of those
 * that were closed, and get what is printed. What is opened here cannot be
 * written to, so that lost output is noticed. */
static bool hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd)
            return false;
    }
    return true;
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int run_verb(struct cli *cli)
{
    if (wants_help(cli)) {
        cli_help_verb(cli->verb);
        return EXIT_DONE;
    }
    if (!cli->verb->raw && (!parse_arguments(cli) || !common_flags(cli)))
        return EXIT_USAGE;
    return (int)cli->verb->run(cli);
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 ||
           strcmp(word, "-h") == 0;
}

int cli_main(int argc, char **argv, char **environment)
{
    static char version[] = "version";
    struct cli cli = {.environment = environment};
    int words;

    if (!hold_standard_files())
        return EXIT_TROUBLE;
    as_json = wants_json(argc, argv);
    if (sodium_init() < 0)
        return cli_fail(EXIT_TROUBLE, "libsodium does not work here");
    if (argc < 2) {
        cli_help_all(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1]))
        return cli_help_words(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    cli.verb = cli_find_verb(argc - 1, argv + 1, &words);
    if (cli.verb == NULL)
        return cli_help_unknown(argc - 1, argv + 1);
    cli.argc = argc - 1 - words;
    cli.argv = argv + 1 + words;
    return run_verb(&cli);
}
