/* Holds a conversation with a program on a terminal of its own: pty TRANSCRIPT PROGRAM [ARGUMENT...]
   A transcript is what one would see:
     > 1 + 1            at this prompt this is typed, and Enter; <Tab>, <^C>, <Up>, <Left>, <Esc> are keys
     2                  a line that must come, whole, before the next prompt; others may come too
     ~ 3 samples        a line that has this in it
     # ...              a remark
     ! size 60 20       the window changes to 60 columns and 20 rows
     ! until TEXT       waits for this text
     ! keys <^C>        types without waiting for a prompt
     ! end              ^D; the program must end with status 0
   A line that begins with "mtl: " (an error) must be expected. Exit status 0: all was as it says; else 1, and it is
   told what was not. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 120000, QUIET_MS = 40, ROOM = 1 << 20, MOST = 64 };

static int terminal, number;
static char output[ROOM]; /* what came since the last line was typed, without escapes */
static size_t used;
static char *expected[MOST];
static int expectations;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("line %d: ", number);
    vprintf(format, arguments);
    printf("\n---- what came ----\n%.*s\n----\n", (int)used, output);
    va_end(arguments);
    exit(1);
}

/* Adds what came, without escape sequences, returns and bells; a line that is erased from its start is gone. */
static void add(const char *bytes, ssize_t n)
{
    static int escape; /* 1: after ESC; 2: within ESC [ */
    static bool at_start;
    for (ssize_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (escape == 1) {
            escape = c == '[' ? 2 : 0;
        } else if (escape == 2) {
            escape = c >= '@' && c <= '~' ? 0 : 2;
            while ((c == 'K' || c == 'J') && at_start && used > 0 && output[used - 1] != '\n')
                used--;
        } else if (c == 27) {
            escape = 1;
        } else {
            at_start = c == '\r';
            if (!at_start && c != '\a' && used < ROOM - 1)
                output[used++] = c;
        }
    }
    output[used] = 0;
}

/* Reads for at most so long; false: nothing came, or the program has ended. */
static bool listen_for(int ms)
{
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    char bytes[4096];
    if (poll(&ready, 1, ms) <= 0)
        return false;
    ssize_t n = read(terminal, bytes, sizeof bytes);
    if (n > 0)
        add(bytes, n);
    return n > 0;
}

static bool at_prompt(const char *prompt)
{
    size_t n = strlen(prompt);
    return used >= n && memcmp(output + used - n, prompt, n) == 0 && (used == n || output[used - n - 1] == '\n');
}

static void wait_for_prompt(const char *prompt)
{
    for (int left = TIMEOUT_MS; left > 0; left -= QUIET_MS) {
        while (listen_for(QUIET_MS))
            ;
        if (at_prompt(prompt))
            return;
    }
    fail("the prompt '%s' did not come", prompt);
}

static void wait_for_text(const char *text)
{
    for (int left = TIMEOUT_MS; left > 0 && !strstr(output, text); left -= QUIET_MS)
        listen_for(QUIET_MS);
    if (!strstr(output, text))
        fail("'%s' did not come", text);
}

static bool fits(const char *line, const char *want)
{
    return want[0] == '~' && want[1] == ' ' ? strstr(line, want + 2) != NULL : strcmp(line, want) == 0;
}

/* Compares what came with what should have come, and forgets both. */
static void check(void)
{
    int next = 0;
    char *rest = NULL, *copy = strdup(output);
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (next < expectations && fits(line, expected[next]))
            free(expected[next++]);
        else if (strncmp(line, "mtl: ", 5) == 0)
            fail("an error was not expected: %s", line);
    }
    free(copy);
    if (next < expectations)
        fail("'%s' did not come", expected[next]);
    expectations = 0;
    used = 0;
    output[0] = 0;
}

static void type(const char *text, bool enter)
{
    static const struct {
        const char *name, *bytes;
    } keys[] = {{"<Tab>", "\t"},       {"<Up>", "\033[A"}, {"<Down>", "\033[B"}, {"<Left>", "\033[D"},
                {"<Right>", "\033[C"}, {"<Esc>", "\033"},  {"<Back>", "\177"}};
    char bytes[4096];
    size_t n = 0;
    while (*text && n < sizeof bytes - 8) {
        size_t length = 0;
        for (size_t i = 0; i < sizeof keys / sizeof *keys && !length; i++) {
            if (strncmp(text, keys[i].name, strlen(keys[i].name)) == 0) {
                length = strlen(keys[i].name);
                n += (size_t)sprintf(bytes + n, "%s", keys[i].bytes);
            }
        }
        if (!length && text[0] == '<' && text[1] == '^' && text[2] && text[3] == '>') {
            length = 4;
            bytes[n++] = text[2] & 31;
        } else if (!length) {
            length = 1;
            bytes[n++] = *text;
        }
        text += length;
    }
    if (enter)
        bytes[n++] = '\r';
    if (write(terminal, bytes, n) != (ssize_t)n)
        fail("the program has ended");
}

static void end(pid_t child)
{
    int status = 0;
    wait_for_prompt("> ");
    check();
    type("\004", false);
    while (listen_for(TIMEOUT_MS))
        ;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("the program ended with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    exit(0);
}

static void command(const char *line, pid_t child)
{
    struct winsize size = {0};
    if (sscanf(line, "size %hu %hu", &size.ws_col, &size.ws_row) == 2)
        ioctl(terminal, TIOCSWINSZ, &size);
    else if (strncmp(line, "until ", 6) == 0)
        wait_for_text(line + 6);
    else if (strncmp(line, "keys ", 5) == 0)
        type(line + 5, false);
    else if (strcmp(line, "end") == 0)
        end(child);
    else
        fail("no command: %s", line);
}

static void follow(char *line, pid_t child)
{
    size_t marks = strspn(line, ">");
    line[strcspn(line, "\n")] = 0;
    if (marks == 1 || marks == 2) {
        wait_for_prompt(marks == 2 ? ">> " : "> ");
        check();
        type(line + marks + (line[marks] == ' '), true);
    } else if (line[0] == '!') {
        command(line + 2, child);
    } else if (line[0] && line[0] != '#') {
        if (expectations == MOST)
            fail("too many lines are expected");
        expected[expectations++] = strdup(line);
    }
}

int main(int argc, char **argv)
{
    struct winsize size = {.ws_col = 100, .ws_row = 40};
    FILE *transcript = argc > 2 ? fopen(argv[1], "r") : NULL;
    char line[4096];
    if (!transcript) {
        fprintf(stderr, "usage: pty TRANSCRIPT PROGRAM [ARGUMENT...]\n");
        return 1;
    }
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    if (child == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    while (child > 0 && fgets(line, sizeof line, transcript)) {
        number++;
        follow(line, child);
    }
    fail("the transcript should end with ! end");
}
