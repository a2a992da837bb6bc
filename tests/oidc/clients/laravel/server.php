<?php
// A Laravel application as small as it can be, from Debian's packages, around a routes/web.php that somebody pastes.
// php -S HOST:PORT server.php   with APP_BASE (a folder with config, routes and storage) and APP_KEY.

use Illuminate\Contracts;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Support\Providers\RouteServiceProvider;
use Illuminate\Support\Facades\Route;

require '/usr/share/php/GuzzleHttp/autoload.php';
require '/usr/share/php/Illuminate/autoload.php';

class Kernel extends Illuminate\Foundation\Http\Kernel
{
    protected $middlewareGroups = ['web' => [
        Illuminate\Cookie\Middleware\EncryptCookies::class,
        Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse::class,
        Illuminate\Session\Middleware\StartSession::class,
        Illuminate\Foundation\Http\Middleware\VerifyCsrfToken::class,
        Illuminate\Routing\Middleware\SubstituteBindings::class,
    ]];
}

class Routes extends RouteServiceProvider
{
    public function boot()
    {
        $this->routes(function () {
            Route::middleware('web')->group(base_path('routes/web.php'));
            Route::middleware('web')->get('/csrf', fn () => csrf_token()); // what @csrf would put into a form
            Route::get('/bye', fn () => 'bye');
        });
    }
}

$app = new Application(getenv('APP_BASE'));
$app->singleton(Contracts\Http\Kernel::class, Kernel::class);
$app->singleton(Contracts\Console\Kernel::class, Illuminate\Foundation\Console\Kernel::class);
$app->singleton(Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);

$kernel = $app->make(Contracts\Http\Kernel::class);
$request = Illuminate\Http\Request::capture();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
