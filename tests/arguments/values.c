/*
 * Scenario: a scene (the first argument) calls a function with values of many types and waits.
 * Expect: each value is printed as a debugger prints it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uchar.h>
#include <unistd.h>
#include <wchar.h>

enum flags { A = 1, B = 2, C = 4 };
enum wide_flags { W0, W1 = 1, W1_TOO = 1, W_HIGH = 1u << 31 };
enum masks { M_LOW = 1, M_MASK = 0x30 };
enum plain { ZERO, ONE, TWO, THREE };
enum negative { MINUS = -1, PLUS = 1 };
typedef enum flags flags_t;
typedef const volatile flags_t *flags_pointer;

struct small {
	int a, b;
};
struct large {
	long a[10];
};
union both {
	int i;
	float f;
};

int numbers[4];
char text[30] = "hello";
static const char *const words[] = { "one", "two" };

static void wait_here(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static void integers(char c, signed char sc, unsigned char uc, short s, unsigned short us, int i,
		     unsigned u, long l, unsigned long ul, long long ll, __int128 huge,
		     unsigned __int128 uhuge, _Bool yes, _Bool no, int8_t i8, uint8_t u8, size_t size)
{
	wait_here();
}

static void floats(float f, double d, long double ld, double inf, double minus_inf, double nan,
		   float fnan, float _Complex fc, double _Complex dc, float whole, double tiny,
		   double large, float minus_zero)
{
	wait_here();
}

static void enums(enum flags a, enum flags b, enum flags c, enum flags d, flags_t e,
		  enum wide_flags f, enum wide_flags g, enum masks h, enum masks i, enum plain j,
		  enum plain k, enum negative l, enum negative m, const flags_t n)
{
	wait_here();
}

static void characters(char a, char b, char c, char d, char e, char f, char g, char h, char i,
		       wchar_t w, char16_t u16, char32_t u32, wchar_t wide, unsigned char last)
{
	wait_here();
}

static void strings(char *a, const char *b, unsigned char *c, const volatile char *d, char *null,
		    char *bad, char *empty, char *at_limit, char *too_long, char *run, char *mixed,
		    char *runs, char *utf8, char *broken, wchar_t *w, char16_t *u16, char32_t *u32)
{
	wait_here();
}

static void pointers(void *stack, int *data, int *middle, void (*function)(void), void *code,
		     char **list, const char *const *constant, struct small *s, FILE *stream,
		     int (*array)[3], void (*nothing)(int), flags_pointer enums, void *odd)
{
	wait_here();
}

static void aggregates(struct small s, struct large l, union both b, int array[4], struct small *p,
		       int after)
{
	wait_here();
}

static void no_prototype_end(void)
{
	wait_here();
}

static void many(int a0, int a1, int a2, int a3, int a4, int a5, int a6, int a7, int a8, int a9,
		 char *z)
{
	wait_here();
}

static void show_strings(void)
{
	static char at_limit[201], too_long[300], run[400], mixed[300];

	for (int i = 0; i < 200; i++)
		at_limit[i] = (char)('a' + i % 7);
	for (int i = 0; i < 299; i++)
		too_long[i] = (char)('a' + i % 26);
	memset(run, 'q', sizeof(run));
	for (int i = 0; i < 299; i++)
		mixed[i] = i < 100 ? 'q' : (char)('a' + i % 7);
	strings("plain", "with \"quotes\" \\ \n\t\001\0334\0339", (unsigned char *)"unsigned", "volatile",
		NULL, (char *)1, "", at_limit, too_long, run, mixed,
		"abcxxxxxxxxxxxxdefyyyyyyyyyyyyyyyyyyzzzzzzzzzzwwwwwwwwwwwww", "caf\303\251 \342\202\254",
		"\377\303(\200x", L"wide \u20ac", u"sixteen", U"thirty-two \U0001f600");
}

static void show(const char *scene)
{
	struct small s = { 1, 2 };
	struct large l = { { 0 } };
	union both b = { .i = 5 };
	enum flags some = C;
	char *list[] = { "a", NULL };

	if (!strcmp(scene, "integers"))
		integers('a', -3, 200, -4, 50000, -5, 4000000000u, -6, ~0ul, -1ll << 62,
			 -((__int128)1 << 100), ~(unsigned __int128)0, 1, 0, -8, 8, sizeof(s));
	if (!strcmp(scene, "floats"))
		floats(0.1f, 0.1, 0.1L, 1. / 0, -1. / 0, __builtin_nan(""), __builtin_nanf(""),
		       1 + 2i, 1.5 - 2.5i, 3, 5e-324, 1e300, -0.0f);
	if (!strcmp(scene, "enums"))
		enums(A | B, 0, 9, 8, B, W_HIGH | W1, W0, 0x31, M_MASK, TWO, 9, MINUS, 5, A | C);
	if (!strcmp(scene, "characters"))
		characters(0, 10, 27, 39, 34, '\\', 127, -1, 9, L'a', u'b', U'c', L'\u20ac', 128);
	if (!strcmp(scene, "strings"))
		show_strings();
	if (!strcmp(scene, "pointers"))
		pointers(&s, numbers, numbers + 2, no_prototype_end, (char *)wait_here + 3, list, words, &s,
			 stdout, NULL, NULL, &some, (void *)0x1234);
	if (!strcmp(scene, "aggregates"))
		aggregates(s, l, b, numbers, &s, 7);
	if (!strcmp(scene, "many"))
		many(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, text);
}

int main(int argc, char **argv)
{
	alarm(120);
	show(argc > 1 ? argv[1] : "");
	return 1;
}
